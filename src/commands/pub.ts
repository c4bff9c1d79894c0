import { pubOptions } from "../options.js";
import { paintFor } from "../render/paint.js";
import { pubText } from "../render/pub-text.js";
import type { Renderer } from "../render/rendered.js";
import { pubSettings } from "../settings.js";
import { run } from "./run.js";

void run({
  name: "pub-lwt",
  synopsis: "$0 [options]",
  description: "Publishes sensor readings from a persistent session that has a last will.",
  words: 0,
  options: pubOptions,
  environment: "PUB_LWT",
  examples: [
    ["$0", "a reading every 3 s to the broker on this machine"],
    ["$0 --fail network --after 3", "lose the connection: the broker sends the will"],
    ["$0 --fail graceful --after 3", "the control: after DISCONNECT it does not"],
    ["$0 --broker hivemq --machine MyName1", "to the public HiveMQ broker"],
  ],
  prepare: (given, _words, { colour }) => {
    const settings = pubSettings(given);
    const paints = { out: paintFor(colour.out), err: paintFor(colour.err) };
    return {
      output: { json: given.values.json ?? false, quiet: given.values.quiet ?? false },
      timeout: settings.timeout,
      render: pubText(settings, paints) as Renderer,
      start: async (sink, control) => {
        const { publishReadings } = await import("../clients/clients.js");
        return publishReadings(settings, sink, control);
      },
    };
  },
});
