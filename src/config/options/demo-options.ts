import { helpOptions, outputOptions } from "./client-options.js";
import type { OptionTable } from "./option.js";
import { flag, number, text } from "./parsers.js";

export const demoOptions = {
  broker: {
    alias: "b",
    value: "BROKER",
    derived: "a bundled one for each run",
    common: true,
    read: text,
    help: "run on this broker: local, hivemq, HOST[:PORT], or a URL; or on several, as in a,b,c",
  },
  step: {
    value: null,
    default: "false",
    common: true,
    read: flag,
    help: "wait for a key before each step",
  },
  quiz: {
    value: null,
    default: "false",
    common: true,
    read: flag,
    help: "predict what happens, and keep score",
  },
  pace: {
    value: "SECONDS",
    default: "0",
    read: number(0, 3600, false),
    help: "before each step wait so long",
  },
  transcript: {
    value: "FILE",
    common: true,
    read: text,
    help: "write what happened to this file, as Markdown",
  },
  report: {
    value: "FILE",
    read: text,
    help: "with check: write its table to this file, as Markdown",
  },
  "on-disk": {
    value: null,
    default: "false",
    read: flag,
    help: "the bundled broker keeps its data on disk",
  },
  as: {
    value: "NAME-VERSION",
    read: text,
    help: "what --broker is, where it doesn't say: mosquitto-2.0, rabbitmq-3.10",
  },
  connectivity: {
    value: null,
    default: "false",
    read: flag,
    help: "with check: only which ways lead to the broker",
  },
  ...outputOptions,
  ...helpOptions,
} satisfies OptionTable;
