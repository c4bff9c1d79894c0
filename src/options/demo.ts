import { helpOptions, outputOptions } from "./clients.js";
import type { OptionTable } from "./option.js";

export const demoOptions = { ...outputOptions, ...helpOptions } satisfies OptionTable;
