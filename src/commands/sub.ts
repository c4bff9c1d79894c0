import { subOptions } from "../options.js";
import { paintFor } from "../render/paint.js";
import type { Renderer } from "../render/rendered.js";
import { subText } from "../render/sub-text.js";
import { subSettings } from "../settings.js";
import { run } from "./run.js";

void run({
  name: "sub-lwt",
  synopsis: "$0 [options]",
  description: "Subscribes from a persistent session; shows every message and what became of each machine.",
  words: 0,
  options: subOptions,
  environment: "SUB_LWT",
  examples: [
    ["$0", "follow every machine on the broker on this machine"],
    ["$0 --subscribe-only", "let the broker store messages from now on"],
    ["$0 --until offline", "exit when a machine's last will arrives"],
    ["$0 --retained", "what is retained on the topics, and nothing else"],
  ],
  prepare: (given, _words, { colour }) => {
    const settings = subSettings(given);
    const paints = { out: paintFor(colour.out), err: paintFor(colour.err) };
    return {
      output: { json: given.values.json ?? false, quiet: given.values.quiet ?? false },
      timeout: settings.timeout,
      render: subText(settings, paints) as Renderer,
      start: async (sink, control) => {
        const { followTopics } = await import("../clients/clients.js");
        return followTopics(settings, sink, control);
      },
    };
  },
});
