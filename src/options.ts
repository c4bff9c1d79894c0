import type { FailCause, MachineState } from "./events.js";
import { anything, flag, number, oneOf, qos, text, topicFilter, topicLevel, topicName } from "./values.js";

/** One option of a command: everything that parsing, help, the environment and the documents say of it. */
export interface Option<T = unknown> {
  /** One letter. */
  alias?: string;
  /** What stands for the value in the help; null for a flag. */
  value: string | null;
  /** One line. */
  help: string;
  /** As the help shows it; the value itself is settings.ts' affair, for it often depends on other options. */
  default?: string;
  /** Shown by --help; the rest by --help all. */
  common?: boolean;
  /** May be given several times; in the environment, separated by commas. */
  list?: boolean;
  /** An empty value means something. */
  mayBeEmpty?: boolean;
  /** Also read from LWT_… in the environment, which both clients share. */
  shared?: boolean;
  /** From the value's text; throws an Error that says what it should have been. */
  read(text: string): T;
}

export type OptionTable = Record<string, Option>;

/** What the options of a table were given as: null where nothing was. */
export type Values<Table extends OptionTable> = {
  [Name in keyof Table]:
    | (Table[Name] extends { list: true }
        ? ReturnType<Table[Name]["read"]>[]
        : ReturnType<Table[Name]["read"]>)
    | null;
};

/** A day; longer waits are surely a mistake. */
const MOST_SECONDS = 86_400;
const MOST_COUNT = Number.MAX_SAFE_INTEGER;
const causes = ["network", "keep-alive", "no-disconnect", "protocol-error", "crash", "graceful"] as const;
const states = ["online", "offline", "stopped"] as const;

const connection = {
  broker: {
    alias: "b",
    value: "BROKER",
    default: "local",
    common: true,
    shared: true,
    read: text,
    help: "local, hivemq, host[:port] or mqtt://host:port",
  },
  host: {
    alias: "h",
    value: "HOST",
    shared: true,
    read: text,
    help: "the broker's host, as in mosquitto_pub; not with --broker",
  },
  port: {
    alias: "p",
    value: "PORT",
    default: "1883",
    shared: true,
    read: number(1, 65_535, true),
    help: "the broker's port; not with --broker",
  },
  "clean-session": {
    value: null,
    default: "false",
    shared: true,
    read: flag,
    help: "forget the session when the connection ends",
  },
  "keep-alive": {
    alias: "k",
    value: "SECONDS",
    default: "60",
    shared: true,
    read: number(0, 65_535, true),
    help: "after 1.5 times this in silence the broker sends the will",
  },
  username: { alias: "u", value: "NAME", shared: true, read: text, help: "user name for the broker" },
  password: {
    alias: "P",
    value: "PASSWORD",
    shared: true,
    read: anything,
    help: "better in the environment: LWT_PASSWORD",
  },
  "connect-timeout": {
    value: "SECONDS",
    default: "60 on this machine, else 15",
    shared: true,
    read: number(0.1, MOST_SECONDS, false),
    help: "go on trying for the first connection so long",
  },
  timeout: {
    alias: "W",
    value: "SECONDS",
    read: number(0.1, MOST_SECONDS, false),
    help: "stop by itself after so long, with exit code 27",
  },
} satisfies OptionTable;

const output = {
  json: { value: null, common: true, read: flag, help: "print events, one JSON object a line" },
  quiet: { value: null, read: flag, help: "print errors and the summary only" },
} satisfies OptionTable;

const debug = {
  debug: { alias: "d", value: null, read: flag, help: "every packet in both directions, on stderr" },
} satisfies OptionTable;

const help = {
  help: { value: null, common: true, read: flag, help: "this; --help all shows every option" },
  version: { value: null, read: flag, help: "print the version" },
} satisfies OptionTable;

export const pubOptions = {
  ...connection,
  "client-id": {
    alias: "i",
    value: "ID",
    default: "the machine's name",
    common: true,
    read: text,
    help: "must be unique at the broker",
  },
  qos: {
    alias: "q",
    value: "QOS",
    default: "1",
    common: true,
    read: qos,
    help: "0, 1 or 2; only 1 and 2 are stored and sent again",
  },
  namespace: { value: "NAME", default: "Binil", read: topicName, help: "first part of the topics" },
  machine: {
    value: "NAME",
    default: "Machine1",
    common: true,
    read: topicLevel,
    help: "makes the topics Binil/NAME/SensorData and …/Status",
  },
  topic: { alias: "t", value: "TOPIC", read: topicName, help: "publish readings here instead" },
  interval: {
    value: "SECONDS",
    default: "3",
    common: true,
    read: number(0, MOST_SECONDS, false),
    help: "between readings; 0 is as fast as it goes",
  },
  message: {
    alias: "m",
    value: "PAYLOAD",
    mayBeEmpty: true,
    read: anything,
    help: "publish this instead of readings, once or --count times",
  },
  count: {
    alias: "C",
    value: "N",
    common: true,
    read: number(1, MOST_COUNT, true),
    help: "stop after so many readings sent and acknowledged",
  },
  retain: { alias: "r", value: null, read: flag, help: "retain readings" },
  "will-topic": {
    value: "TOPIC",
    default: "Binil/Machine1/Status",
    read: topicName,
    help: "the will's topic",
  },
  "will-payload": {
    value: "TEXT",
    default: "Sensor Offline",
    mayBeEmpty: true,
    read: anything,
    help: "the will's message",
  },
  "will-qos": { value: "QOS", default: "1", read: qos, help: "the will's QoS" },
  "will-retain": {
    value: null,
    default: "true",
    read: flag,
    help: "retained, it reaches future subscribers too",
  },
  "no-will": { value: null, read: flag, help: "connect without a will" },
  "no-status": {
    value: null,
    read: flag,
    help: 'do not publish "Sensor Online" and "Sensor Stopped"',
  },
  fail: {
    value: "CAUSE",
    common: true,
    read: oneOf<FailCause>(...causes),
    help: "network, keep-alive, no-disconnect, protocol-error, crash: make the will come; graceful: show that it doesn't",
  },
  after: {
    value: "N",
    common: true,
    read: number(1, MOST_COUNT, true),
    help: "with --fail: after so many acknowledged readings, not at Enter",
  },
  ...output,
  ...debug,
  ...help,
} satisfies OptionTable;

export const subOptions = {
  ...connection,
  "client-id": {
    alias: "i",
    value: "ID",
    default: "Subscriber1",
    common: true,
    read: text,
    help: "must be unique at the broker",
  },
  qos: {
    alias: "q",
    value: "QOS",
    default: "1",
    common: true,
    read: qos,
    help: "asked for; the broker grants at most that",
  },
  topic: {
    alias: "t",
    value: "FILTER",
    list: true,
    common: true,
    read: topicFilter,
    default: "the course's topics",
    help: "topic filter, may be repeated; + and # are wildcards",
  },
  namespace: {
    value: "NAME",
    default: "Binil",
    common: true,
    read: topicName,
    help: "first part of the default filters",
  },
  machine: {
    value: "NAME",
    default: "all",
    common: true,
    read: topicLevel,
    help: "only this machine",
  },
  count: {
    alias: "C",
    value: "N",
    common: true,
    read: number(1, MOST_COUNT, true),
    help: "stop after so many messages; the rest stays queued",
  },
  "subscribe-only": {
    alias: "E",
    value: null,
    common: true,
    read: flag,
    help: "make the stored session with its subscriptions, then exit",
  },
  until: {
    value: "STATE",
    common: true,
    read: oneOf<MachineState>(...states),
    help: "exit 0 when a machine becomes online, offline or stopped",
  },
  retained: {
    value: null,
    common: true,
    read: flag,
    help: "print what is retained on the topics, then exit",
  },
  ...output,
  ...debug,
  ...help,
} satisfies OptionTable;

export const brokerOptions = {
  port: {
    alias: "p",
    value: "PORT",
    default: "1883",
    common: true,
    read: number(0, 65_535, true),
    help: "0 takes a free one",
  },
  host: {
    value: "ADDRESS",
    default: "127.0.0.1",
    common: true,
    read: text,
    help: "listen on this address; 0.0.0.0 is every one",
  },
  ...output,
  ...help,
} satisfies OptionTable;

export const demoOptions = { ...output, ...help } satisfies OptionTable;
