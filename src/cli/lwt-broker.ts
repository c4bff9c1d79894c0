import { whenAborted } from "../util/abort.js";
import { parseAddress, urlOf } from "../connection/broker-url.js";
import { conflictError, ExitCode, usageError } from "../util/errors.js";
import { brokerOptions } from "../config/options/broker-options.js";
import type { Values } from "../config/options/option.js";
import { escapeText } from "../render/escape.js";
import { brokerText } from "../render/broker-text.js";
import type { Renderer } from "../render/renderer.js";
import { listenSettings } from "../config/settings/broker-settings.js";
import { host } from "./host.js";
import { runCommand } from "./run-command.js";

void runCommand({
  name: "lwt-broker",
  synopsis: "[options] | status | passwd FILE USER",
  description:
    "A local MQTT 3.1.1 broker that says what it stores, and why it sends a will or throws it away.",
  words: Number.POSITIVE_INFINITY, // startOf refuses what is too much: it may be a password
  options: brokerOptions,
  environment: null,
  examples: [
    ["", "on 127.0.0.1:1883, where the clients look for it"],
    ["--port 1884", "elsewhere; then: npx pub-lwt --port 1884"],
    ["--data broker-data", "what it acknowledges is kept on disk, and there after a crash"],
    ["status", "what a running one holds"],
    ["passwd users.txt anna", "a password for --users users.txt"],
  ],
  prepare: ({ values }, circumstances) => {
    const { words, screen } = circumstances;
    const start = startOf(words, values, circumstances);
    if (values.broker !== null && words[0] !== "status")
      throw conflictError("--broker is for status", "To listen elsewhere: --host and --port.");
    if (values.sync !== null && values.data === null)
      throw conflictError("--sync is about what --data keeps", "Name the folder too: --data DIR.");
    if (values.salvage && values.data === null)
      throw conflictError("--salvage is about what --data keeps", "Name the folder too: --data DIR.");
    return {
      output: { json: values.json, quiet: values.quiet },
      timeout: null,
      warnings: [],
      render: brokerText(screen) as Renderer,
      start,
    };
  },
});

type BrokerValues = Values<typeof brokerOptions>;
type Prepare = Parameters<typeof runCommand<typeof brokerOptions>>[0]["prepare"];
type Circumstances = Parameters<Prepare>[1];
type Start = Awaited<ReturnType<Prepare>>["start"];

/** What the words ask for. @throws UserError exit code 2 */
function startOf(
  [word, ...more]: string[],
  values: BrokerValues,
  { variables, platform }: Pick<Circumstances, "variables" | "platform">,
): Start {
  if (word === undefined) return serve(values, listenSettings(values, host(variables, platform)));
  if (word === "passwd") return passwd(more);
  if (word === "status" && more.length === 0) return status(values, variables);
  throw usageError(
    "unexpected-word",
    `"${word === "status" ? more[0] : word}" is not an option, and nothing was expected there but status or passwd.`,
    "lwt-broker starts a broker, status asks one what it holds, passwd FILE USER sets a password.",
  );
}

const serve =
  (
    { debug, data: folder, sync, salvage, users, ...values }: BrokerValues,
    listen: ReturnType<typeof listenSettings>,
  ): Start =>
  async (sink, { stop }) => {
    const { startBroker } = await import("../broker/start-broker.js");
    const data = folder === null ? null : { folder, sync: sync ?? "disk", salvage };
    const limits = {
      "packet-bytes": values["max-packet"],
      connections: values["max-connections"],
      "queued-messages": values["max-queued"],
    };
    const broker = await startBroker({ ...listen, debug, limits, data, users }, sink);
    await whenAborted(stop);
    await broker.close();
    return ExitCode.done;
  };

/** Asks for a password, on a terminal twice, and writes its hash into the file. */
function passwd([file, user, ...more]: string[]): Start {
  if (more.length > 0)
    throw usageError(
      "unexpected-word",
      "passwd takes a file and a user's name, and asks for the password.",
      "On the command line others could read it. Leave it away, or send it through a pipe.",
    );
  if (!file || user === undefined)
    throw usageError(
      "missing-word",
      "passwd needs a file and a user's name.",
      "For example: lwt-broker passwd users.txt anna",
    );
  return async (sink, { secret }) => {
    const { MAX_PASSWORD_BYTES, setPassword, userNameProblem } = await import("../broker/auth/users.js");
    const problem = userNameProblem(user);
    if (problem) throw usageError("bad-user", `the user name can't be: ${problem}.`, "Choose another name.");
    const first = await secret(`Password for ${escapeText(user)}: `);
    if (first === null) return ExitCode.leftEarly;
    const { text, isTyped } = first;
    if (text === "" || Buffer.byteLength(text) > MAX_PASSWORD_BYTES)
      throw usageError(
        "bad-password",
        `a password has 1 to ${MAX_PASSWORD_BYTES} bytes.`,
        "The file is as it was: run it again.",
      );
    if (isTyped) {
      const again = await secret("Once more: ");
      if (again === null) return ExitCode.leftEarly;
      if (again.text !== text)
        throw usageError("bad-password", "these were two passwords.", "The file is as it was: run it again.");
    }
    const added = await setPassword(file, user, text);
    await sink({ event: "password-set", file, user, added });
    return ExitCode.done;
  };
}

/** Of a broker on this computer, unless told otherwise. User name and password stand in its URL or the environment. */
function status({ broker, port }: BrokerValues, variables: Circumstances["variables"]): Start {
  const text = broker ?? `127.0.0.1:${port}`;
  const address = parseAddress(text.includes("://") ? text : `mqtt://${text}`);
  if (!address)
    throw usageError(
      "bad-broker",
      "--broker wants HOST[:PORT], or a URL that begins with mqtt.",
      "For example: lwt-broker status --broker 127.0.0.1:1884",
    );
  const { LWT_USERNAME, LWT_PASSWORD } = variables;
  const username = address.username ?? (LWT_USERNAME || null);
  const password = address.username === null ? LWT_PASSWORD || null : address.password;
  return async (sink, control) => {
    const { fetchBrokerStatus } = await import("../clients/clients.js");
    const login = { ...(username !== null && { username }), ...(password !== null && { password }) };
    return fetchBrokerStatus({ broker: urlOf(address), ...login }, sink, control);
  };
}
