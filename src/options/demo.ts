import { helpOptions, outputOptions } from "./clients.js";
import type { OptionTable } from "./option.js";
import { text } from "./values.js";

export const demoOptions = {
  broker: {
    alias: "b",
    value: "BROKER",
    derived: "a bundled one for each run",
    common: true,
    read: text,
    help: "run on this broker: local, hivemq, HOST[:PORT], or a URL",
  },
  ...outputOptions,
  ...helpOptions,
} satisfies OptionTable;
