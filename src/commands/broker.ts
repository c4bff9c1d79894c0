import { aborted } from "../clients/control.js";
import { ExitCode } from "../errors.js";
import { brokerOptions } from "../options/broker.js";
import { brokerText } from "../render/broker-text.js";
import type { Renderer } from "../render/rendered.js";
import { run } from "./run.js";

void run({
  name: "lwt-broker",
  synopsis: "[options]",
  description:
    "A local MQTT 3.1.1 broker that says what it stores, and why it sends a will or throws it away.",
  words: 0,
  options: brokerOptions,
  environment: null,
  examples: [
    ["", "on 127.0.0.1:1883, where the clients look for it"],
    ["--port 1884", "elsewhere; then: npx pub-lwt --port 1884"],
  ],
  prepare: ({ values: { json, quiet, host, port } }, { screen }) => ({
    output: { json, quiet },
    timeout: null,
    warnings: [],
    render: brokerText(screen) as Renderer,
    start: async (sink, { stop }) => {
      const { startBroker } = await import("../broker/broker.js");
      const broker = await startBroker({ host, port }, sink);
      await aborted(stop);
      await broker.close();
      return ExitCode.done;
    },
  }),
});
