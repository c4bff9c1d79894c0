import { Parser } from "yargs/helpers"; // yargs itself takes four times as long to load
import { withoutCredentials } from "../protocol/broker-url.js";
import { usageError } from "../util/errors.js";
import type { Option, OptionTable } from "../config/options/option.js";
import type { Usage } from "../render/help-text.js";
import { nearestName } from "./suggestions.js";

export interface Parsed {
  /** By option name; flags are "true" or "false". */
  given: Record<string, string | string[]>;
  words: string[];
  /** Null: no help was asked for. */
  help: "common" | "all" | null;
}

/** Disables all guesses: numbers from texts, --no-x from --x, dots and camel case. */
const PARSING = {
  "boolean-negation": false,
  "camel-case-expansion": false,
  "dot-notation": false,
  "greedy-arrays": false,
  "nargs-eats-options": true,
  "parse-numbers": false,
  "parse-positional-numbers": false,
  "strip-aliased": true,
};

/** Hints for options of mosquitto_pub and mosquitto_sub that do not exist here. */
const MOSQUITTO_HINTS: Record<string, string> = {
  c: "A stored session is the default here; --clean-session asks for the other kind.",
  "disable-clean-session": "A stored session is the default here; --clean-session asks for the other kind.",
  n: 'For an empty payload: --message ""',
  "null-message": 'For an empty payload: --message ""',
  v: "The topic of each message is shown anyhow, or with --json.",
  verbose: "The topic of each message is shown anyhow, or with --json.",
  L: "For a URL: --broker mqtt://USER:PASSWORD@HOST:PORT, and --topic.",
  url: "For a URL: --broker mqtt://USER:PASSWORD@HOST:PORT, and --topic.",
};

/** @throws UserError exit code 2: an unknown option, a missing value, an unexpected word */
export function parseArguments(usage: Usage, argv: string[]): Parsed {
  const { rest, given } = takeFlagValues(usage, argv);
  const { argv: parsed, error } = Parser.detailed(rest, parserOptions(usage.options));
  if (error) throw missingValue(usage.name, error.message);
  const words = parsed._.map(String);
  const help =
    parsed["help"] === undefined || parsed["help"] === false
      ? null
      : words.includes("all")
        ? "all"
        : "common";
  for (const [name, value] of Object.entries(parsed)) {
    if (name === "_" || value === undefined) continue;
    given[name] = textOf(optionOf(usage, name), value);
  }
  if (help === null && words.length > usage.words) throw unexpectedWord(usage, words[usage.words] ?? "");
  return { given, words, help };
}

const LONG = /^--([^=]+)(?:=(.*))?$/s;

/**
 * Takes `--flag=VALUE` out of the arguments, because yargs reads any value of a flag as true or false. Refuses unknown
 * names, because yargs fails at names like `__proto__`.
 */
function takeFlagValues(usage: Usage, argv: string[]): { rest: string[]; given: Parsed["given"] } {
  const given: Parsed["given"] = {};
  let isValue = false;
  const end = argv.indexOf("--");
  const options = end < 0 ? argv : argv.slice(0, end);
  const rest = options.flatMap(argument => {
    const [, name, text] = (!isValue && LONG.exec(argument)) || [];
    const option = name === undefined ? undefined : optionOf(usage, name);
    const words = isValue ? [argument] : splitShortOptions(usage, argument);
    isValue = !isValue && words.length === 1 && takesNext(usage, argument);
    if (name === undefined || option?.value !== null || text === undefined) return words;
    given[name] = text;
    return [];
  });
  return { rest: [...rest, ...argv.slice(options.length)], given };
}

/** Splits `-rPsecret` into `-r -P secret`: yargs would take the password for options, and an error would show it. */
function splitShortOptions({ options }: Usage, argument: string): string[] {
  const [, letters = ""] = /^-([A-Za-z].*)$/s.exec(argument) ?? [];
  const optionAt = (at: number) => Object.values(options).find(({ alias }) => alias === letters.charAt(at));
  let at = 0;
  while (optionAt(at)?.value === null) at += 1;
  const value = letters.slice(at + 1);
  if (!optionAt(at) || value === "" || value.startsWith("=")) return [argument];
  return [...(at > 0 ? [`-${letters.slice(0, at)}`] : []), `-${letters[at]}`, value];
}

/** Whether the next argument is this one's value: of `-m`, `-rm` and `--message`, not of `--message=x`. */
function takesNext({ options }: Usage, argument: string): boolean {
  const takesValue = (option: Option | undefined) => option !== undefined && option.value !== null;
  if (argument.startsWith("--")) return takesValue(options[argument.slice(2)]);
  const last = /^-[A-Za-z]+$/.test(argument) ? argument.at(-1) : undefined;
  return takesValue(Object.values(options).find(({ alias }) => alias !== undefined && alias === last));
}

function optionOf(usage: Usage, name: string): Option {
  const option = Object.hasOwn(usage.options, name) ? usage.options[name] : undefined;
  if (!option) throw unknownOption(usage, name);
  return option;
}

function parserOptions(options: OptionTable) {
  const names = Object.keys(options);
  const withValue = names.filter(name => options[name]?.value !== null);
  return {
    boolean: names.filter(name => !withValue.includes(name)),
    string: withValue,
    narg: Object.fromEntries(withValue.map(name => [name, 1])),
    array: names.filter(name => options[name]?.list),
    alias: Object.fromEntries(names.map(name => [name, options[name]?.alias ?? []])),
    configuration: PARSING,
  };
}

function textOf(option: Option, value: unknown): string | string[] {
  const texts = (Array.isArray(value) ? value : [value]).map(String);
  return option.list ? texts : (texts.at(-1) ?? "");
}

function missingValue(name: string, message: string) {
  const option = /following: (\S+)/.exec(message)?.[1];
  const dashes = option?.length === 1 ? "-" : "--";
  return usageError(
    "missing-value",
    option ? `${dashes}${option} needs a value.` : `${message}.`,
    `${name} --help shows how it is used.`,
  );
}

const moreHelp = ({ name }: Usage) => `${name} --help shows the common options, ${name} --help all the rest.`;

function unknownOption(usage: Usage, given: string) {
  const nearest = nearestName(given, Object.keys(usage.options));
  const dashes = given.length === 1 ? "-" : "--";
  const question = nearest ? ` Did you mean --${nearest}?` : "";
  const isClient = usage.environment !== null;
  const hint = isClient && Object.hasOwn(MOSQUITTO_HINTS, given) ? MOSQUITTO_HINTS[given] : undefined;
  return usageError(
    "unknown-option",
    `there is no option ${dashes}${given}.${hint ? "" : question}`,
    hint ?? moreHelp(usage),
  );
}

const unexpectedWord = (usage: Usage, word: string) =>
  usageError(
    "unexpected-word",
    `"${withoutCredentials(word)}" is not an option, and nothing was expected there.`,
    moreHelp(usage),
  );
