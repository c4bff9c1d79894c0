import type { ConnectionSettings } from "./connection/settings.js";
import { usageError } from "./errors.js";
import type { FailCause, MachineState, QoS, Will } from "./events.js";
import type { brokerOptions, OptionTable, pubOptions, subOptions, Values } from "./options.js";
import { STATUS_PAYLOAD } from "./status.js";
import { machineTopics, SLIDE_WILL_TOPIC } from "./topics.js";

/** One place that settings come from, as texts by option name; earlier sources go before later ones. */
export interface Source {
  kind: "option" | "environment" | "file";
  /** How this source calls an option, for messages: `--qos`, `LWT_QOS`, … */
  nameOf(option: string): string;
  values: Record<string, string | string[] | undefined>;
}

/** What was given for each option, and by which source. */
export interface Given<Table extends OptionTable> {
  values: Values<Table>;
  from: Partial<Record<keyof Table, Source>>;
}

/** A source that sets one of these sets them all. */
const BROKER_GROUP = ["broker", "host", "port"];

/**
 * The sources of a client's environment, or of a file like it: names of its own first (`PUB_LWT_QOS`), then the ones
 * that both clients share (`LWT_BROKER`).
 */
export function environmentSources(
  kind: "environment" | "file",
  prefix: string,
  table: OptionTable,
  variables: Record<string, string | undefined>,
): Source[] {
  const source = (start: string, names: string[]): Source => {
    const nameOf = (option: string) => start + option.toUpperCase().replaceAll("-", "_");
    const values = names.map(name => {
      const value = variables[nameOf(name)] || undefined; // empty is unset
      return [name, value && table[name]?.list ? value.split(",") : value];
    });
    return { kind, nameOf, values: Object.fromEntries(values) };
  };
  const names = Object.keys(table);
  return [
    source(`${prefix}_`, names),
    source(
      "LWT_",
      names.filter(name => table[name]?.shared),
    ),
  ];
}

/** Takes each option from the first source that has it, and reads its value. */
export function merge<Table extends OptionTable>(table: Table, sources: Source[]): Given<Table> {
  const values: Record<string, unknown> = {};
  const from: Record<string, Source> = {};
  const brokerSource = sources.find(({ values: given }) =>
    BROKER_GROUP.some(name => given[name] !== undefined),
  );
  for (const name of Object.keys(table)) {
    const source = BROKER_GROUP.includes(name)
      ? brokerSource
      : sources.find(({ values: given }) => given[name] !== undefined);
    const given = source?.values[name];
    values[name] = given === undefined ? null : readValue(table, name, given, source);
    if (source && given !== undefined) from[name] = source;
  }
  return { values, from } as Given<Table>;
}

function readValue(table: OptionTable, name: string, given: string | string[], source?: Source): unknown {
  const option = table[name];
  const readOne = (text: string) => {
    try {
      if (text === "" && !option?.mayBeEmpty) throw new Error("a value, not nothing");
      return option?.read(text);
    } catch (error) {
      const called = source?.nameOf(name) ?? name;
      const shown = name === "password" || text === "" ? "" : ` (it was given ${JSON.stringify(text)})`;
      throw usageError(
        "bad-value",
        `${called} wants ${(error as Error).message}${shown}.`,
        option?.help ?? "",
      );
    }
  };
  return Array.isArray(given) ? given.map(readOne) : readOne(given);
}

export interface OutputSettings {
  json: boolean;
  quiet: boolean;
}

interface ClientSettings {
  connection: ConnectionSettings;
  qos: QoS;
  /** Readings or messages after which to stop; null: none. */
  count: number | null;
  /** Seconds after which to stop; null: none. */
  timeout: number | null;
}

export interface PubSettings extends ClientSettings {
  namespace: string;
  machine: string;
  readingsTopic: string;
  /** Where "Sensor Online" and "Sensor Stopped" go; null: nowhere. */
  statusTopic: string | null;
  /** Seconds between readings; null: as many as --count says, or one, without a pause. */
  interval: number;
  /** A payload to publish instead of readings. */
  message: string | null;
  retain: boolean;
  fail: { cause: FailCause; after: number | null } | null;
}

export interface SubSettings extends ClientSettings {
  filters: string[];
  until: MachineState | null;
  mode: "follow" | "subscribe-only" | "retained";
}

/** The two brokers that have a name. */
const NAMED_BROKERS: Record<string, string> = {
  local: "mqtt://127.0.0.1:1883",
  hivemq: "mqtt://broker.hivemq.com:1883",
};

const DEFAULT_QOS: QoS = 1;
const DEFAULT_NAMESPACE = "Binil";
const DEFAULT_MACHINE = "Machine1";
const DEFAULT_SUBSCRIBER = "Subscriber1";
const DEFAULT_KEEP_ALIVE = 60;
/** Short, so that a class does not wait a minute and a half for the will. */
const KEEP_ALIVE_TO_FAIL = 5;
const CONNECT_TIMEOUT = { local: 60, elsewhere: 15 };

/** @throws UserError exit code 2, when options contradict each other. */
export function pubSettings(given: Given<typeof pubOptions>): PubSettings {
  const { values } = given;
  const machine = values.machine ?? DEFAULT_MACHINE;
  const namespace = values.namespace ?? DEFAULT_NAMESPACE;
  const topics = machineTopics(namespace, machine);
  checkFailing(values);
  const willTopic = values["will-topic"] ?? topics.status;
  const will: Will = {
    topic: willTopic,
    payload: values["will-payload"] ?? STATUS_PAYLOAD.offline,
    qos: values["will-qos"] ?? DEFAULT_QOS,
    retain: values["will-retain"] ?? true,
  };
  const keepAlive =
    values["keep-alive"] ?? (values.fail === "keep-alive" ? KEEP_ALIVE_TO_FAIL : DEFAULT_KEEP_ALIVE);
  return {
    connection: {
      ...connectionSettings(given, machine, namespace),
      keepAlive,
      will: values["no-will"] ? null : will,
    },
    ...commonSettings(values),
    namespace,
    machine,
    readingsTopic: values.topic ?? topics.readings,
    statusTopic: values["no-status"] ? null : willTopic,
    interval: values.interval ?? 3,
    message: values.message,
    retain: values.retain ?? false,
    fail: values.fail && { cause: values.fail, after: values.after },
  };
}

function checkFailing(values: Values<typeof pubOptions>): void {
  if (!values.fail) {
    if (values.after !== null)
      throw contradiction("--after needs --fail", "Add --fail network, for example.");
    return;
  }
  if (values["no-will"])
    throw contradiction(
      "--fail shows what becomes of the will, and --no-will leaves it out",
      "Drop one of them.",
    );
  if (values.count !== null)
    throw contradiction("--fail and --count both say when to stop", "With --fail, say --after N.");
  if (values.fail === "keep-alive" && values["keep-alive"] === 0)
    throw contradiction(
      "--keep-alive 0 switches off what --fail keep-alive waits for",
      "Say --keep-alive 5, or leave it out.",
    );
}

/** @throws UserError exit code 2, when options contradict each other. */
export function subSettings(given: Given<typeof subOptions>): SubSettings {
  const { values } = given;
  const namespace = values.namespace ?? DEFAULT_NAMESPACE;
  const ofMachine = machineTopics(namespace, values.machine ?? "+");
  const { retained, "subscribe-only": subscribeOnly } = values;
  const ends = ["until", "count"] as const;
  const early = ends.find(name => values[name] !== null);
  if (retained && subscribeOnly) throw contradiction("--retained and --subscribe-only exclude each other");
  if ((retained || subscribeOnly) && early)
    throw contradiction(`--${retained ? "retained" : "subscribe-only"} and --${early} exclude each other`);
  const connection = connectionSettings(given, DEFAULT_SUBSCRIBER, namespace);
  return {
    // What is retained is asked for in a session of its own, so that nothing of the stored one is consumed.
    connection: retained
      ? { ...connection, clientId: `${connection.clientId}-retained`, cleanSession: true }
      : connection,
    ...commonSettings(values),
    filters: values.topic ?? [ofMachine.readings, ofMachine.status, SLIDE_WILL_TOPIC],
    until: values.until,
    mode: retained ? "retained" : subscribeOnly ? "subscribe-only" : "follow",
  };
}

export const brokerSettings = ({ values }: Given<typeof brokerOptions>) => ({
  port: values.port ?? 1883,
  host: values.host ?? "127.0.0.1",
});

type ClientTable = typeof pubOptions | typeof subOptions;

const commonSettings = ({ qos, count, timeout }: Values<ClientTable>) => ({
  qos: qos ?? DEFAULT_QOS,
  count,
  timeout,
});

function connectionSettings(
  { values, from }: Given<ClientTable>,
  defaultId: string,
  namespace: string,
): ConnectionSettings {
  const { url, username, password } = brokerUrl(values);
  checkPassword({ values, from }, username);
  const { hostname } = new URL(url);
  const local = hostname === "localhost" || hostname.startsWith("127.") || hostname === "[::1]";
  return {
    broker: url,
    clientId: values["client-id"] ?? defaultId,
    cleanSession: values["clean-session"] ?? false,
    keepAlive: values["keep-alive"] ?? DEFAULT_KEEP_ALIVE,
    username: values.username ?? username,
    password: values.password ?? password,
    connectTimeout: values["connect-timeout"] ?? CONNECT_TIMEOUT[local ? "local" : "elsewhere"],
    namespace,
    debug: values.debug ?? false,
  };
}

/** A password in the environment is meant for the broker named there or in the command, not for one that a file in
 * the working directory names. */
function checkPassword({ values, from }: Given<ClientTable>, usernameInUrl: string | null): void {
  const brokerFrom = (from.broker ?? from.host ?? from.port)?.kind;
  if (brokerFrom === "file" && from.password?.kind === "environment")
    throw contradiction(
      `the password in ${from.password.nameOf("password")} is not sent to a broker that only a .env file names`,
      "Name the broker with --broker, or put its password into that file too.",
    );
  if (values.password !== null && values.username === null && usernameInUrl === null)
    throw contradiction(
      "a password needs a user name beside it [MQTT-3.1.2-22]",
      "Add --username NAME, or set LWT_USERNAME.",
    );
}

interface BrokerUrl {
  url: string;
  username: string | null;
  password: string | null;
}

function brokerUrl({ broker, host, port }: Values<ClientTable>): BrokerUrl {
  if (broker !== null && (host !== null || port !== null))
    throw contradiction("--broker says host and port already", "Use --broker, or --host and --port.");
  if (broker !== null) return parseBroker(broker);
  return parseBroker(`${bracketed(host ?? "127.0.0.1")}:${port ?? 1883}`);
}

const bracketed = (host: string) => (host.includes(":") && !host.startsWith("[") ? `[${host}]` : host);

function parseBroker(broker: string): BrokerUrl {
  try {
    const { protocol, hostname, port, username, password, pathname, search, hash } = new URL(
      NAMED_BROKERS[broker] ?? (broker.includes("://") ? broker : `mqtt://${broker}`),
    );
    const more = pathname.replace("/", "") + search + hash;
    if (protocol !== "mqtt:" || !hostname || port === "0" || more) throw new TypeError("not a broker's URL");
    return {
      url: `mqtt://${hostname}:${port || 1883}`,
      username: decodeURIComponent(username) || null,
      password: decodeURIComponent(password) || null,
    };
  } catch {
    throw usageError(
      "bad-broker",
      "--broker wants local, hivemq, host[:port] or mqtt://host[:port].",
      "For example: --broker 192.168.1.20, or --broker mqtt://broker.hivemq.com:1883",
    );
  }
}

const contradiction = (what: string, hint = "Use one of them.") =>
  usageError("contradiction", `${what}.`, hint);
