import { willDelayOf } from "../../connection/connection-options.js";
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
import { calledAs, type Given } from "./merge-sources.js";

export interface PubSettings extends ClientSettings {
  namespace: string;
  machine: string;
  readingsTopic: string;
  /** Where the will goes, if there is one, and the status. */
  willTopic: string;
  /** Where "Sensor Online" and "Sensor Stopped" go; null: nowhere. */
  statusTopic: string | null;
  /** Seconds between messages. */
  interval: number;
  /** What is published: readings that are made up, one payload again and again, or the lines of standard input. */
  source: { kind: "readings" } | { kind: "message"; payload: string } | { kind: "stdin" };
  retain: boolean;
  fail: { cause: FailCause; after: number | null } | null;
  /** The folder where what is not acknowledged outlives the process; null: none. */
  outbox: string | null;
  mode: "publish" | "forget";
  /** How many; with more than one, the rest says what holds for the first. */
  machines: number;
  /** Its number: it is called Machine1, or Machine5001. */
  firstMachine: number;
}

/** Options that say where a run leaves something at the broker. */
const NAMES_LEFT_BEHIND = [
  "machine",
  "machines",
  "client-id",
  "namespace",
  "username",
  "will-topic",
  "topic",
  "retain",
] as const;

type PubGiven = Given<typeof pubOptions>;

/** Short, so that a class does not wait a minute and a half for the will. */
const KEEP_ALIVE_TO_FAIL = 5;
/** Seconds between readings, as in the course's script. */
const DEFAULT_INTERVAL = 3;
/** Seconds that everyone's broker can expect between one client's messages. */
const PUBLIC_INTERVAL = 1;

/** @throws UserError exit code 2, when options contradict each other. */
export function pubSettings(given: PubGiven, computer: Host): PubSettings {
  const { values } = given;
  checkFailing(given);
  checkSource(given);
  checkOutbox(given);
  checkMqtt5(given, ["will-delay"]);
  const address = brokerAddress(given);
  checkFleet(given, address);
  // A range says which machines these are, on whatever computer; where strangers are too, it can't.
  const own =
    values.machines.isRange && address.publicUrl === null
      ? NO_SUFFIX
      : suffixFor(given, ["client-id", "machine"], address, computer);
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
  const connection = connectionSettings(given, address, clientId, computer);
  const forget = values.forget;
  return {
    connection: {
      ...connection,
      keepAlive:
        values["keep-alive"] === null && values.fail === "keep-alive"
          ? KEEP_ALIVE_TO_FAIL
          : connection.keepAlive,
      will: values["no-will"] ? null : will,
      willDelay: values["will-delay"] ?? 0,
    },
    warnings: connectionWarnings(given, address, clientId, own),
    cleanUp: forget ? null : cleanUpCommand("pub-lwt", asTyped(given), address, NAMES_LEFT_BEHIND),
    qos: values.qos,
    count: values.count,
    timeout: values.timeout,
    namespace,
    machine,
    readingsTopic: values.topic ?? topics.readings,
    willTopic: will.topic,
    statusTopic: values["no-status"] ? null : will.topic,
    interval: intervalOf(given, address),
    source: sourceOf(given),
    retain: values.retain,
    fail: values.fail && { cause: values.fail, after: values.after },
    outbox: values.outbox,
    mode: forget ? "forget" : "publish",
    firstMachine: first,
    machines: last - first + 1,
  };
}

const machinesText = (first: number, last: number) => (first === 1 ? `${last}` : `${first}-${last}`);

const asTyped = ({ values, from }: PubGiven) => {
  const { first, last } = values.machines;
  return { values: { ...values, machines: machinesText(first, last) }, from };
};

/** Each part was short enough; put together they may not be. */
function checkNames(names: string[]): void {
  const problem = names.map(stringProblem).find(each => each !== null);
  if (problem)
    throw usageError(
      "bad-value",
      `a topic or client ID that is made of these names can't be used: ${problem}.`,
      "Use shorter ones for --machine, --namespace and --client-id.",
    );
}

function sourceOf({ values }: PubGiven): PubSettings["source"] {
  if (values["stdin-line"]) return { kind: "stdin" };
  return values.message === null ? { kind: "readings" } : { kind: "message", payload: values.message };
}

function intervalOf({ values }: PubGiven, { publicUrl }: BrokerSelection): number {
  const least = publicUrl === null ? 0 : PUBLIC_INTERVAL;
  const madeUp = values.message === null && !values["stdin-line"];
  // Until Enter is pressed, a payload is repeated like a reading.
  const endless = values.fail !== null && values.after === null;
  const seconds = values.interval ?? (madeUp || endless ? DEFAULT_INTERVAL : least);
  if (seconds < least)
    throw conflictError(
      `${publicUrl} is everyone's: --interval ${seconds} is too fast for it`,
      `Use --interval ${least} or more there, or a broker of your own: npx lwt-broker`,
    );
  return seconds;
}

function checkSource(given: PubGiven): void {
  const { values } = given;
  const lines = calledAs(given, "stdin-line");
  if (values.message !== null && values["stdin-line"])
    throw conflictError(`${calledAs(given, "message")} and ${lines} both say what to publish`);
  if (values["stdin-line"] && values.fail && values.after === null)
    throw conflictError(
      `${calledAs(given, "fail")} waits for Enter on standard input, where ${lines} reads`,
      "Say after how many messages to fail: --after N.",
    );
}

function checkOutbox(given: PubGiven): void {
  const { values } = given;
  const called = (name: keyof PubGiven["values"]) => calledAs(given, name);
  if (values.outbox === null) return;
  if (values.qos === 0)
    throw conflictError(
      `${called("outbox")} keeps what is not acknowledged, and at ${called("qos")} 0 nothing ever is`,
      "Use --qos 1 or 2.",
    );
  const forgetting = forgetsBy(given);
  if (forgetting)
    throw conflictError(
      `${called("outbox")} is one half of a stored session, and ${called(forgetting)} leaves out the other`,
      `Leave --${forgetting} away.`,
    );
  if (values.forget)
    throw conflictError(
      `${called("forget")} ends the session that ${called("outbox")} keeps messages for`,
      "To give up what waits there too, remove the folder after --forget without --outbox.",
    );
}

/** What a broker that everyone uses can be expected to bear of one of them. */
const PUBLIC_MACHINES = 5;
/** What would be the same for all machines, and must not be. */
const OF_ONE_MACHINE = ["machine", "client-id", "stdin-line", "outbox"] as const;

function checkFleet(given: PubGiven, { publicUrl }: BrokerSelection): void {
  const { values } = given;
  const { first, last, isRange } = values.machines;
  if (last === 1 && !isRange) return;
  const called = calledAs(given, "machines");
  const one = OF_ONE_MACHINE.find(name => values[name]);
  if (one) throw conflictError(`${called} is for many machines, and ${calledAs(given, one)} for one`);
  if (publicUrl !== null && last - first >= PUBLIC_MACHINES)
    throw conflictError(
      `${publicUrl} is everyone's: ${called} ${machinesText(first, last)} is too much for it`,
      `Use ${PUBLIC_MACHINES} at most there, or a broker of your own: npx lwt-broker`,
    );
}

function checkFailing(given: PubGiven): void {
  const { fail, after, count, forget, ...values } = given.values;
  const called = (name: keyof PubGiven["values"]) => calledAs(given, name);
  if (!fail) {
    if (after !== null)
      throw conflictError(`${called("after")} needs --fail`, "Add --fail network, for example.");
    return;
  }
  if (forget) throw conflictError(`${called("forget")} and ${called("fail")} exclude each other`);
  if (values["no-will"])
    throw conflictError(
      `${called("fail")} shows what becomes of the will, and ${called("no-will")} leaves it out`,
    );
  if (fail === "disconnect-with-will" && values["protocol-version"] !== "5")
    throw conflictError(
      `${called("fail")} ${fail} needs MQTT 5: in 3.1.1 no DISCONNECT asks for the will`,
      "Add --protocol-version 5, or use --fail no-disconnect.",
    );
  if (count !== null)
    throw conflictError(
      `${called("fail")} and ${called("count")} both say when to stop`,
      `Use --fail ${fail} --after ${count}.`,
    );
  if (fail === "keep-alive" && values["keep-alive"] === 0)
    throw conflictError(
      `${called("keep-alive")} 0 switches off what ${called("fail")} keep-alive waits for`,
      "Leave it away: with --fail keep-alive it is 5 seconds.",
    );
}

/** The settings that depend on others, by the option that they belong to. */
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
