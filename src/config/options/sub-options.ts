import type { MachineState } from "../../events/events.js";
import {
  connectionOptions,
  debugOptions,
  helpOptions,
  outputOptions,
  sourceOptions,
} from "./client-options.js";
import type { OptionTable } from "./option.js";
import { count, flag, oneOf, qos, text, topicFilter, topicLevel, topicName } from "./parsers.js";

const states = ["online", "offline", "stopped"] as const;

export const subOptions = {
  ...connectionOptions,
  "keep-alive": { ...connectionOptions["keep-alive"], derived: "60" },
  "client-id": {
    alias: "i",
    value: "ID",
    derived: "Subscriber1",
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
    derived: "the course's topics",
    help: "topic filter, may be repeated; + and # are wildcards",
  },
  namespace: {
    value: "NAME",
    default: "Binil",
    read: topicName,
    help: "first part of the default filters",
  },
  machine: {
    value: "NAME",
    derived: "all",
    common: true,
    read: topicLevel,
    help: "only this machine",
  },
  count: {
    alias: "C",
    value: "N",
    common: true,
    read: count,
    help: "stop after so many messages; the rest stays queued",
  },
  "subscribe-only": {
    alias: "E",
    value: null,
    default: "false",
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
  "hold-acks": {
    value: null,
    default: "false",
    read: flag,
    help: "acknowledge nothing, so that all of it comes again",
  },
  retained: {
    value: null,
    default: "false",
    common: true,
    read: flag,
    help: "print what is retained on the topics, then exit",
  },
  forget: {
    value: null,
    default: "false",
    common: true,
    read: flag,
    help: "end the stored session, then exit",
  },
  table: {
    value: null,
    default: "false",
    common: true,
    read: flag,
    help: "machines by state, refreshed in place, instead of lines",
  },
  raw: { value: null, default: "false", read: flag, help: "payload bytes as they came, and nothing else" },
  ...outputOptions,
  ...debugOptions,
  ...sourceOptions,
  ...helpOptions,
} satisfies OptionTable;
