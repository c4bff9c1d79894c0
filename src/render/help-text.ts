import { GROUPS, type Option, type OptionTable } from "../config/options/option.js";
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
  /** Besides those of all commands. */
  exitCodes?: [code: number, meaning: string][];
  /** The command for a word that is not an option; default: none. */
  suggestFor?: (words: string[]) => string;
}

/** Columns. The right one needs room for a topic. */
const [MAX_LEFT_WIDTH, MIN_RIGHT_WIDTH] = [42, 32];
/** Wider left texts have a line of their own. */
const [OPTION_WIDTH, CHOICE_WIDTH] = [26, 18];

/** The help of a command: examples first, then the common options, or all of them, in groups. */
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
    ...GROUPS.flatMap(group => groupLines(group, shown, width)),
    "",
    ...(hidden > 0 ? [`${hidden} more options: ${name} --help all`] : []),
    ...environmentNote(usage).map(note => wrap(note, width, "")),
    wrap(EXIT_CODES + exitCodesText(usage), width, " ".repeat(EXIT_CODES.length)).replaceAll(NO_BREAK, " "),
  ].join("\n");
}

function groupLines(group: Option["group"], shown: [string, Option][], width: number): string[] {
  const lines = shown
    .filter(([, option]) => option.group === group)
    .flatMap(([name, option]) => [
      ...rows([[optionText(name, option), meaningOf(option)]], width, OPTION_WIDTH),
      ...choiceLines(option, width),
    ]);
  return lines.length === 0 ? [] : [`${group}:`, ...lines];
}

function optionText(name: string, { alias, value }: Option): string {
  const short = alias ? `-${alias}, ` : "    ";
  return `  ${short}--${name}${value === null ? "" : ` ${value}`}`;
}

/** The values of an option, below its meaning. */
function choiceLines({ choices = {} }: Option, width: number): string[] {
  const column = leftWidth(width, OPTION_WIDTH);
  const pairs = Object.entries(choices).map(([name, meaning]): [string, string] => [`  ${name}`, meaning]);
  const lines = rows(pairs, width - column, CHOICE_WIDTH).flatMap(text => text.split("\n"));
  return lines.map(line => " ".repeat(column) + line);
}

function meaningOf({ help, default: literal, derived, value, read, choices }: Option): string {
  const shown = derived ?? (value === null && literal !== undefined && !read(literal) ? undefined : literal);
  return `${help}${choices ? ":" : ""}${shown === undefined ? "" : ` [${shown}]`}`;
}

const leftWidth = (width: number, wanted: number) => Math.min(wanted, width - MIN_RIGHT_WIDTH);

/** Two columns. The right one wraps, and starts on a new line after a left one that is too wide. */
function rows(pairs: [left: string, right: string][], width: number, wanted?: number): string[] {
  const widest = 2 + Math.max(...pairs.map(([left]) => displayWidth(left)));
  const column = leftWidth(width, wanted ?? Math.min(MAX_LEFT_WIDTH, widest));
  const indent = " ".repeat(column);
  return pairs.map(([left, right]) => {
    const start = displayWidth(left) + 1 > column ? `${left}\n${indent}` : pad(left, column);
    return start + wrapHard(right, width - column, "").replaceAll("\n", `\n${indent}`);
  });
}

const environmentNote = ({ environment }: Usage): string[] =>
  environment === null
    ? []
    : [
        `Each option can also come from the environment or a .env file: ${environment}_QOS=1 sets --qos. The connection options of both clients start with LWT_, for example LWT_BROKER.`,
      ];

const EXIT_CODES = "Exit codes: ";
const NO_BREAK = "_";

function exitCodesText({ exitCodes = [] }: Usage): string {
  const codes = [[0, "success"], [1, "failure"], [2, "usage error"], ...exitCodes];
  return codes.map(([code, meaning]) => `${code} ${meaning}`.replaceAll(" ", NO_BREAK)).join(", ");
}
