import { willDelayOf } from "../../protocol/session-expiry.js";
import { conflictError, usageError } from "../../util/errors.js";
import type { FailCause, Will } from "../../events/events.js";
import type { pubOptions } from "../options/pub-options.js";
import { machineTopics, stringProblem } from "../../protocol/topics.js";
import { type BrokerSelection, brokerAddress } from "./broker-address.js";
import {
  type ClientSettings,
  cleanUpCommand,
  type Host,
  connectionSettings,
  connectionWarnings,
  effectiveConnection,
  NO_SUFFIX,
  suffixFor,
} from "./connection-settings.js";
import { checkMqtt5, forgetsBy } from "./mqtt5-settings.js";
import { nameAsGiven, type MergedOptions } from "./merge-sources.js";

export interface PubSettings extends ClientSettings {
  namespace: string;
  machine: string;
  readingsTopic: string;
  /** The topic of the will, if there is one, and of the status. */
  willTopic: string;
  /** The topic of "Sensor Online" and "Sensor Stopped"; null: they are not published. */
  statusTopic: string | null;
  /** Seconds between messages. */
  interval: number;
  /** Generated readings, one repeated payload, or the lines of standard input. */
  source: { kind: "readings" } | { kind: "message"; payload: string } | { kind: "stdin" };
  retain: boolean;
  fail: { cause: FailCause; after: number | null } | null;
  /** The folder of the outbox, or null. */
  outbox: string | null;
  mode: "publish" | "forget";
  /** The size of the fleet; the other settings are those of its first machine. */
  machines: number;
  /** Its number: 5001 for Machine5001. */
  firstMachine: number;
}

/** Options that determine what a run leaves at the broker. */
const CLEAN_UP_OPTIONS = [
  "machine",
  "machines",
  "client-id",
  "namespace",
  "username",
  "will-topic",
  "topic",
  "retain",
] as const;

type PubOptions = MergedOptions<typeof pubOptions>;

/** Seconds. With the default, a class would wait a minute and a half for the will. */
const FAILING_KEEP_ALIVE = 5;
/** Seconds between readings, as in the course's script. */
const DEFAULT_INTERVAL = 3;
/** Seconds between one client's messages, on a public broker. */
const MIN_PUBLIC_INTERVAL = 1;

/** @throws UserError exit code 2: options that contradict each other */
export function pubSettings(options: PubOptions, host: Host): PubSettings {
  const { values } = options;
  checkFail(options);
  checkSource(options);
  checkOutbox(options);
  checkMqtt5(options, ["will-delay"]);
  const address = brokerAddress(options);
  checkFleet(options, address);
  // A range names the same machines on every computer; on a public broker, others may use it too.
  const own =
    values.machines.isRange && address.publicUrl === null
      ? NO_SUFFIX
      : suffixFor(options, ["client-id", "machine"], address, host);
  const { first, last } = values.machines;
  const machine = values.machine ?? `Machine${first}${own.suffix}`;
  const { namespace } = values;
  const topics = machineTopics(namespace, machine);
  checkNames([...Object.values(topics), `${values["client-id"] ?? machine}-witness`]);
  const clientId = values["client-id"] ?? machine;
  const will: Will = {
    topic: values["will-topic"] ?? topics.status,
    payload: values["will-payload"],
    qos: values["will-qos"],
    retain: values["will-retain"],
  };
  const connection = connectionSettings(options, address, clientId, host);
  const forget = values.forget;
  return {
    connection: {
      ...connection,
      keepAlive:
        values["keep-alive"] === null && values.fail === "keep-alive"
          ? FAILING_KEEP_ALIVE
          : connection.keepAlive,
      will: values["no-will"] ? null : will,
      willDelay: values["will-delay"] ?? 0,
    },
    warnings: connectionWarnings(options, address, clientId, own),
    cleanUp: forget ? null : cleanUpCommand("pub-lwt", asTyped(options), address, CLEAN_UP_OPTIONS),
    qos: values.qos,
    count: values.count,
    timeout: values.timeout,
    namespace,
    machine,
    readingsTopic: values.topic ?? topics.readings,
    willTopic: will.topic,
    statusTopic: values["no-status"] ? null : will.topic,
    interval: intervalOf(options, address),
    source: sourceOf(options),
    retain: values.retain,
    fail: values.fail && { cause: values.fail, after: values.after },
    outbox: values.outbox,
    mode: forget ? "forget" : "publish",
    firstMachine: first,
    machines: last - first + 1,
  };
}

const machinesText = (first: number, last: number) => (first === 1 ? `${last}` : `${first}-${last}`);

const asTyped = ({ values, from }: PubOptions) => {
  const { first, last } = values.machines;
  return { values: { ...values, machines: machinesText(first, last) }, from };
};

/** Checks the names as a whole: each part was short enough. */
function checkNames(names: string[]): void {
  const problem = names.map(stringProblem).find(each => each !== null);
  if (problem)
    throw usageError(
      "bad-value",
      `cannot make a topic or client ID of these names: ${problem}.`,
      "Use shorter ones for --machine, --namespace and --client-id.",
    );
}

function sourceOf({ values }: PubOptions): PubSettings["source"] {
  if (values["stdin-line"]) return { kind: "stdin" };
  return values.message === null ? { kind: "readings" } : { kind: "message", payload: values.message };
}

function intervalOf({ values }: PubOptions, { publicUrl }: BrokerSelection): number {
  const minimum = publicUrl === null ? 0 : MIN_PUBLIC_INTERVAL;
  const isGenerated = values.message === null && !values["stdin-line"];
  // A payload is repeated like a reading until Enter is pressed.
  const isEndless = values.fail !== null && values.after === null;
  const seconds = values.interval ?? (isGenerated || isEndless ? DEFAULT_INTERVAL : minimum);
  if (seconds < minimum)
    throw conflictError(
      `${publicUrl} is public: --interval ${seconds} is too fast for it`,
      `Use --interval ${minimum} or more, or your own broker: npx lwt-broker`,
    );
  return seconds;
}

function checkSource(options: PubOptions): void {
  const { values } = options;
  const lines = nameAsGiven(options, "stdin-line");
  if (values.message !== null && values["stdin-line"])
    throw conflictError(`${nameAsGiven(options, "message")} and ${lines} exclude each other`);
  if (values["stdin-line"] && values.fail && values.after === null)
    throw conflictError(
      `${nameAsGiven(options, "fail")} waits for Enter on standard input, where ${lines} reads`,
      "Say after how many messages to fail: --after N.",
    );
}

function checkOutbox(options: PubOptions): void {
  const { values } = options;
  const called = (name: keyof PubOptions["values"]) => nameAsGiven(options, name);
  if (values.outbox === null) return;
  if (values.qos === 0)
    throw conflictError(
      `${called("outbox")} stores unacknowledged messages, and at ${called("qos")} 0 nothing is acknowledged`,
      "Use --qos 1 or 2.",
    );
  const forgetting = forgetsBy(options);
  if (forgetting)
    throw conflictError(
      `${called("outbox")} needs a stored session, and ${called(forgetting)} ends it`,
      `Leave --${forgetting} away.`,
    );
  if (values.forget)
    throw conflictError(
      `${called("forget")} ends the session that ${called("outbox")} stores messages for`,
      "To discard its messages too, use --forget without --outbox, then delete the folder.",
    );
}

const MAX_PUBLIC_MACHINES = 5;
/** Options that would be the same for all machines, and must not be. */
const SINGLE_MACHINE_OPTIONS = ["machine", "client-id", "stdin-line", "outbox"] as const;

function checkFleet(options: PubOptions, { publicUrl }: BrokerSelection): void {
  const { values } = options;
  const { first, last, isRange } = values.machines;
  if (last === 1 && !isRange) return;
  const called = nameAsGiven(options, "machines");
  const one = SINGLE_MACHINE_OPTIONS.find(name => values[name]);
  if (one) throw conflictError(`${called} is for many machines, and ${nameAsGiven(options, one)} for one`);
  if (publicUrl !== null && last - first >= MAX_PUBLIC_MACHINES)
    throw conflictError(
      `${publicUrl} is public: ${called} ${machinesText(first, last)} is too much for it`,
      `Use at most ${MAX_PUBLIC_MACHINES}, or your own broker: npx lwt-broker`,
    );
}

function checkFail(options: PubOptions): void {
  const { fail, after, count, forget, ...values } = options.values;
  const called = (name: keyof PubOptions["values"]) => nameAsGiven(options, name);
  if (!fail) {
    if (after !== null)
      throw conflictError(`${called("after")} needs --fail`, "Add --fail network, for example.");
    return;
  }
  if (forget) throw conflictError(`${called("forget")} and ${called("fail")} exclude each other`);
  if (values["no-will"])
    throw conflictError(`${called("fail")} needs a will, and ${called("no-will")} connects without one`);
  if (fail === "disconnect-with-will" && values["protocol-version"] !== "5")
    throw conflictError(
      `${called("fail")} ${fail} needs MQTT 5: in 3.1.1 no DISCONNECT requests the will`,
      "Add --protocol-version 5, or use --fail no-disconnect.",
    );
  if (count !== null)
    throw conflictError(
      `${called("fail")} and ${called("count")} both say when to stop`,
      `Use --fail ${fail} --after ${count}.`,
    );
  if (fail === "keep-alive" && values["keep-alive"] === 0)
    throw conflictError(
      `${called("fail")} keep-alive needs a keep alive, and ${called("keep-alive")} is 0`,
      "Omit it: with --fail keep-alive it is 5 seconds.",
    );
}

/** Returns the values that depend on other settings, by option name. */
export const effectivePub = ({
  connection,
  machine,
  machines,
  firstMachine,
  readingsTopic,
  interval,
}: PubSettings) => ({
  ...effectiveConnection(connection),
  machine,
  machines: machinesText(firstMachine, firstMachine + machines - 1),
  topic: readingsTopic,
  interval,
  "will-topic": connection.will?.topic ?? null,
  "will-delay": connection.protocolVersion === "5" ? willDelayOf(connection) : null,
});
