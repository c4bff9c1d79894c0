import { aborted } from "../clients/control.js";
import { ExitCode } from "../errors.js";
import { brokerOptions } from "../options.js";
import { brokerText } from "../render/broker-text.js";
import { paintFor } from "../render/paint.js";
import type { Renderer } from "../render/rendered.js";
import { brokerSettings } from "../settings.js";
import { run } from "./run.js";

void run({
  name: "lwt-broker",
  synopsis: "$0 [options]",
  description:
    "A local MQTT 3.1.1 broker that says what it stores, and why it sends a will or throws it away.",
  words: 0,
  options: brokerOptions,
  environment: null,
  examples: [
    ["$0", "on 127.0.0.1:1883, where the clients look for it"],
    ["$0 --port 1884", "elsewhere; then: npx pub-lwt --port 1884"],
  ],
  prepare: (given, _words, { colour }) => ({
    output: { json: given.values.json ?? false, quiet: given.values.quiet ?? false },
    timeout: null,
    render: brokerText(paintFor(colour.out)) as Renderer,
    start: async (sink, { stop }) => {
      const { startBroker } = await import("../broker/broker.js");
      const broker = await startBroker(brokerSettings(given), sink);
      await aborted(stop);
      await broker.close();
      return ExitCode.done;
    },
  }),
});
