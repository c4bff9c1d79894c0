import type { FailCause } from "../../events/events.js";
import {
  connectionOptions,
  debugOptions,
  helpOptions,
  MAX_MQTT_SECONDS,
  MAX_SECONDS,
  outputOptions,
  sourceOptions,
} from "./client-options.js";
import type { OptionTable } from "./option.js";
import {
  anything,
  count,
  flag,
  machines,
  number,
  oneOf,
  qos,
  shortBytes,
  text,
  topicLevel,
  topicName,
} from "./parsers.js";

/** One computer has about 28 000 ports for connections to one broker. */
const MOST_MACHINES = 25_000;
/** With a computer's own suffix, 21 characters: every broker takes 23 [MQTT-3.1.3-5]. */
const HIGHEST_MACHINE = 9_999_999;

const causes = [
  "network",
  "keep-alive",
  "no-disconnect",
  "protocol-error",
  "disconnect-with-will",
  "crash",
  "graceful",
] as const;

export const pubOptions = {
  ...connectionOptions,
  "client-id": {
    alias: "i",
    value: "ID",
    derived: "the machine's name",
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
    derived: "Machine1",
    common: true,
    read: topicLevel,
    help: "makes the topics Binil/NAME/SensorData and Binil/NAME/Status",
  },
  machines: {
    value: "N",
    default: "1",
    read: machines(MOST_MACHINES, HIGHEST_MACHINE),
    help: "a fleet: Machine1 to MachineN, or a range as 5001-10000; each its own connection, session and will",
  },
  topic: {
    alias: "t",
    value: "TOPIC",
    derived: "Binil/Machine1/SensorData",
    common: true,
    read: topicName,
    help: "publish readings here instead",
  },
  interval: {
    value: "SECONDS",
    derived: "3; 0 with --message or --stdin-line",
    common: true,
    read: number(0, MAX_SECONDS, false),
    help: "between readings; 0 is as fast as it goes",
  },
  message: {
    alias: "m",
    value: "PAYLOAD",
    mayBeEmpty: true,
    common: true,
    read: anything,
    help: "publish this instead of readings, once or --count times",
  },
  "stdin-line": {
    alias: "l",
    value: null,
    default: "false",
    read: flag,
    help: "publish each line of standard input until it ends",
  },
  count: {
    alias: "C",
    value: "N",
    common: true,
    read: count,
    help: "stop after so many readings sent and acknowledged",
  },
  retain: { alias: "r", value: null, default: "false", read: flag, help: "retain readings" },
  "will-topic": {
    value: "TOPIC",
    derived: "Binil/Machine1/Status",
    read: topicName,
    help: "the will's topic, and the status messages'",
  },
  "will-payload": {
    value: "TEXT",
    default: "Sensor Offline",
    mayBeEmpty: true,
    read: shortBytes,
    help: "the will's message",
  },
  "will-qos": { value: "QOS", default: "1", read: qos, help: "the will's QoS" },
  "will-retain": {
    value: null,
    default: "true",
    read: flag,
    help: "retained, it reaches future subscribers too; =false to switch off",
  },
  "will-delay": {
    value: "SECONDS",
    derived: "0",
    read: number(0, MAX_MQTT_SECONDS, true),
    help: "MQTT 5: send the will only if this client has not come back by then",
  },
  "no-will": { value: null, default: "false", read: flag, help: "connect without a will" },
  "no-status": {
    value: null,
    default: "false",
    read: flag,
    help: 'do not publish "Sensor Online" and "Sensor Stopped"',
  },
  outbox: {
    value: "DIR",
    read: text,
    help: "keep in this folder what is not acknowledged, and send it after a restart",
  },
  fail: {
    value: "CAUSE",
    common: true,
    read: oneOf<FailCause>(...causes),
    help: "network, keep-alive, no-disconnect, protocol-error, crash, with MQTT 5 disconnect-with-will: make the will come; graceful: show that it doesn't",
  },
  after: {
    value: "N",
    common: true,
    read: count,
    help: "with --fail: after so many acknowledged readings, not at Enter",
  },
  forget: {
    value: null,
    default: "false",
    read: flag,
    help: "end the stored session, clear the retained status, then exit",
  },
  ...outputOptions,
  ...debugOptions,
  ...sourceOptions,
  ...helpOptions,
} satisfies OptionTable;
