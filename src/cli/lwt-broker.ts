import { whenAborted } from "../util/abort.js";
import { conflictError, ExitCode, usageError } from "../util/errors.js";
import { brokerOptions } from "../config/options/broker-options.js";
import type { Values } from "../config/options/option.js";
import { brokerText } from "../render/broker-text.js";
import type { Renderer } from "../render/renderer.js";
import { listenSettings } from "../config/settings/broker-settings.js";
import { host } from "./host.js";
import { passwdStart } from "./lwt-broker-passwd.js";
import { statusStart } from "./lwt-broker-status.js";
import { type CommandContext, runCommand } from "./run-command.js";
import type { Job } from "./run-job.js";

void runCommand({
  name: "lwt-broker",
  synopsis: "[options] | status | passwd FILE USER",
  description:
    "A local MQTT 3.1.1 broker that says what it stores, and why it sends a will or throws it away.",
  words: Number.POSITIVE_INFINITY, // startOf refuses superfluous words: one may be a password
  options: brokerOptions,
  environment: null,
  examples: [
    ["", "on 127.0.0.1:1883, where the clients look for it"],
    ["--port 1884", "elsewhere; then: npx pub-lwt --port 1884"],
    ["--data broker-data", "what it acknowledges is kept on disk, and there after a crash"],
    ["status", "what a running one holds"],
    ["passwd users.txt anna", "a password for --users users.txt"],
  ],
  prepare: ({ values }, context) => {
    const start = startOf(values, context);
    if (values.broker !== null && context.words[0] !== "status")
      throw conflictError("--broker is for status", "To listen elsewhere: --host and --port.");
    if (values.sync !== null && values.data === null)
      throw conflictError("--sync is about what --data keeps", "Name the folder too: --data DIR.");
    if (values.salvage && values.data === null)
      throw conflictError("--salvage is about what --data keeps", "Name the folder too: --data DIR.");
    return {
      output: { json: values.json, quiet: values.quiet },
      timeout: null,
      warnings: [],
      render: brokerText(context.screen) as Renderer,
      start,
    };
  },
});

type BrokerValues = Values<typeof brokerOptions>;

/** @throws UserError exit code 2 */
function startOf(
  values: BrokerValues,
  { words: [word, ...more], variables, platform }: CommandContext,
): Job["start"] {
  if (word === undefined) return serve(values, listenSettings(values, host(variables, platform)));
  if (word === "passwd") return passwdStart(more);
  if (word === "status" && more.length === 0) return statusStart(values, variables);
  throw usageError(
    "unexpected-word",
    `"${word === "status" ? more[0] : word}" is not an option, and nothing was expected there but status or passwd.`,
    "lwt-broker starts a broker, status asks one what it holds, passwd FILE USER sets a password.",
  );
}

const serve =
  (
    { debug, data: folder, sync, salvage, users, ...values }: BrokerValues,
    listeners: ReturnType<typeof listenSettings>,
  ): Job["start"] =>
  async (sink, { stop }) => {
    const { startBroker } = await import("../broker/start-broker.js");
    const data = folder === null ? null : { folder, sync: sync ?? "disk", salvage };
    const limits = {
      "packet-bytes": values["max-packet"],
      connections: values["max-connections"],
      "queued-messages": values["max-queued"],
    };
    const broker = await startBroker({ ...listeners, debug, limits, data, users }, sink);
    await whenAborted(stop);
    await broker.close();
    return ExitCode.done;
  };
