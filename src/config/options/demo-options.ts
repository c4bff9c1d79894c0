import { helpOptions, outputOptions } from "./client-options.js";
import type { OptionTable } from "./option.js";
import { flag, number, text } from "./parsers.js";

export const demoOptions = {
  broker: {
    group: "Broker",
    alias: "b",
    value: "BROKER",
    example: "127.0.0.1:1883",
    derived: "a bundled one for each run",
    common: true,
    read: text,
    help: "run on this broker: local, hivemq, HOST[:PORT], a URL, or a list a,b,c",
  },
  step: {
    group: "Lesson",
    value: null,
    default: "false",
    common: true,
    read: flag,
    help: "wait for a key before each step",
  },
  quiz: {
    group: "Lesson",
    value: null,
    default: "false",
    common: true,
    read: flag,
    help: "ask for predictions, and count the right ones",
  },
  pace: {
    group: "Lesson",
    value: "SECONDS",
    default: "0",
    read: number(0, 3600, false),
    help: "wait SECONDS before each step",
  },
  transcript: {
    group: "Lesson",
    value: "FILE",
    example: "mine.md",
    common: true,
    read: text,
    help: "write the run to FILE as Markdown",
  },
  report: {
    group: "Check",
    value: "FILE",
    example: "check.md",
    read: text,
    help: "with check: write the table to FILE as Markdown",
  },
  "on-disk": {
    group: "Broker",
    value: null,
    default: "false",
    read: flag,
    help: "store the data of the bundled broker on disk",
  },
  as: {
    group: "Broker",
    value: "NAME-VERSION",
    example: "mosquitto-2.0",
    read: text,
    help: "name the product of --broker, for example mosquitto-2.0 or rabbitmq-3.10",
  },
  connectivity: {
    group: "Check",
    value: null,
    default: "false",
    read: flag,
    help: "with check: only try which ports reach the broker",
  },
  ...outputOptions,
  ...helpOptions,
} satisfies OptionTable;
