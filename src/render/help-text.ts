import type { Option, OptionTable } from "../config/options/option.js";
import { displayWidth, wrapHard, pad, wrap } from "./text-layout.js";

export interface Usage {
  name: string;
  /** After the name: `[options]`. */
  synopsis: string;
  description: string;
  /** How many words it takes besides options. */
  words: number;
  options: OptionTable;
  examples: [args: string, does: string][];
  /** The prefix of its names in the environment (`PUB_LWT`); null: it reads options only. */
  environment: string | null;
}

/** Columns. The right one needs room for a topic. */
const [MAX_LEFT_WIDTH, MIN_RIGHT_WIDTH] = [42, 32];

/** The help of a command: examples first, then the common options, or all of them. */
export function helpText(usage: Usage, all: boolean, width: number): string {
  const { name, synopsis, description, options, examples } = usage;
  const shown = Object.entries(options).filter(([, option]) => all || option.common);
  const hidden = Object.keys(options).length - shown.length;
  return [
    `Usage: ${name} ${synopsis}`,
    "",
    wrap(description, width, ""),
    "",
    "Examples:",
    ...rows(
      examples.map(([args, does]) => [`  ${`${name} ${args}`.trimEnd()}`, does]),
      width,
    ),
    "",
    "Options:",
    ...rows(
      shown.map(([option, details]) => [optionText(option, details), meaningOf(details)]),
      width,
    ),
    "",
    ...(hidden > 0 ? [`${name} --help all shows ${hidden} more.`] : []),
    ...environmentNote(usage).map(note => wrap(note, width, "")),
  ]
    .join("\n")
    .trimEnd();
}

function optionText(name: string, { alias, value }: Option): string {
  const short = alias ? `-${alias}, ` : "    ";
  return `  ${short}--${name}${value === null ? "" : ` ${value}`}`;
}

function meaningOf({ help, default: literal, derived, value, read }: Option): string {
  const shown = derived ?? (value === null && literal !== undefined && !read(literal) ? undefined : literal);
  return shown === undefined ? help : `${help} [${shown}]`;
}

/** Two columns. The right one wraps, and starts on a new line after a left one that is too wide. */
function rows(pairs: [left: string, right: string][], width: number): string[] {
  const widest = 2 + Math.max(...pairs.map(([left]) => displayWidth(left)));
  const column = Math.min(MAX_LEFT_WIDTH, width - MIN_RIGHT_WIDTH, widest);
  const indent = " ".repeat(column);
  return pairs.map(([left, right]) => {
    const start = displayWidth(left) + 2 > column ? `${left}\n${indent}` : pad(left, column);
    return start + wrapHard(right, width - column, "").replaceAll("\n", `\n${indent}`);
  });
}

const environmentNote = ({ environment }: Usage): string[] =>
  environment === null
    ? []
    : [
        `Each can also stand in the environment or in a file .env: --qos as ${environment}_QOS, and what both clients need to connect as LWT_BROKER and so on.`,
      ];
