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
    "Run a local MQTT 3.1.1 broker that logs what it stores, and why it publishes or discards a will.",
  words: Number.POSITIVE_INFINITY, // startOf refuses superfluous words: one may be a password
  options: brokerOptions,
  environment: null,
  exitCodes: [[130, "interrupted"]],
  examples: [
    ["", "listen on mqtt://127.0.0.1:1883"],
    ["--port 1884", "listen on another port"],
    ["--data broker-data", "store everything on disk"],
    ["status", "show what a running broker stores"],
    ["passwd users.txt anna", "set a password in the file for --users"],
  ],
  prepare: ({ values }, context) => {
    const start = startOf(values, context);
    if (values.broker !== null && context.words[0] !== "status")
      throw conflictError("--broker is for status", "To listen elsewhere: --host and --port.");
    if (values.sync !== null && values.data === null)
      throw conflictError("--sync needs --data", "Add the folder: --data DIR.");
    if (values.salvage && values.data === null)
      throw conflictError("--salvage needs --data", "Add the folder: --data DIR.");
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
    `unexpected argument "${word === "status" ? more[0] : word}": only status and passwd are allowed here.`,
    "Type lwt-broker, lwt-broker status, or lwt-broker passwd FILE USER.",
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
