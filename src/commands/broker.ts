import { aborted } from "../clients/control.js";
import { addressOf, urlOf } from "../connection/address.js";
import { contradiction, ExitCode, usageError } from "../errors.js";
import { brokerOptions } from "../options/broker.js";
import type { Values } from "../options/option.js";
import { brokerText } from "../render/broker-text.js";
import type { Renderer } from "../render/rendered.js";
import { run } from "./run.js";

void run({
  name: "lwt-broker",
  synopsis: "[options] | status",
  description:
    "A local MQTT 3.1.1 broker that says what it stores, and why it sends a will or throws it away.",
  words: 1,
  options: brokerOptions,
  environment: null,
  examples: [
    ["", "on 127.0.0.1:1883, where the clients look for it"],
    ["--port 1884", "elsewhere; then: npx pub-lwt --port 1884"],
    ["--data broker-data", "what it acknowledges is kept on disk, and there after a crash"],
    ["status", "what a running one holds"],
  ],
  prepare: ({ values }, { words: [word], screen }) => {
    if (word !== undefined && word !== "status")
      throw usageError(
        "unexpected-word",
        `"${word}" is not an option, and nothing was expected there but status.`,
        "lwt-broker starts a broker, lwt-broker status asks a running one what it holds.",
      );
    if (values.broker !== null && word === undefined)
      throw contradiction("--broker is for status", "To listen elsewhere: --host and --port.");
    if (values.sync !== null && values.data === null)
      throw contradiction("--sync is about what --data keeps", "Name the folder too: --data DIR.");
    if (values.salvage && values.data === null)
      throw contradiction("--salvage is about what --data keeps", "Name the folder too: --data DIR.");
    return {
      output: { json: values.json, quiet: values.quiet },
      timeout: null,
      warnings: [],
      render: brokerText(screen) as Renderer,
      start: word === "status" ? status(values) : serve(values),
    };
  },
});

type BrokerValues = Values<typeof brokerOptions>;
type Start = Awaited<ReturnType<Parameters<typeof run<typeof brokerOptions>>[0]["prepare"]>>["start"];

const serve =
  ({ host, port, debug, data: folder, sync, salvage, ...values }: BrokerValues): Start =>
  async (sink, { stop }) => {
    const { startBroker } = await import("../broker/broker.js");
    const data = folder === null ? null : { folder, sync: sync ?? "disk", salvage };
    const limits = {
      "packet-bytes": values["max-packet"],
      connections: values["max-connections"],
      "queued-messages": values["max-queued"],
    };
    const broker = await startBroker({ host, port, debug, limits, data }, sink);
    await aborted(stop);
    await broker.close();
    return ExitCode.done;
  };

/** Of a broker on this computer, unless told otherwise. */
function status({ broker, port }: BrokerValues): Start {
  const text = broker ?? `127.0.0.1:${port}`;
  const address = addressOf(text.includes("://") ? text : `mqtt://${text}`);
  if (!address)
    throw usageError(
      "bad-broker",
      "--broker wants HOST[:PORT], or a URL that begins with mqtt.",
      "For example: lwt-broker status --broker 127.0.0.1:1884",
    );
  return async (sink, control) => {
    const { tellBrokerStatus } = await import("../clients/clients.js");
    return tellBrokerStatus({ broker: urlOf(address) }, sink, control);
  };
}
