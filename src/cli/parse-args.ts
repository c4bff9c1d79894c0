import { Parser } from "yargs/helpers"; // yargs itself takes four times as long to load
import { withoutCredentials } from "../protocol/broker-url.js";
import { usageError } from "../util/errors.js";
import { shellQuote } from "../util/shell-quote.js";
import { exampleOf, type Option, type OptionTable } from "../config/options/option.js";
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
  v: "The topic of each message is always shown. All fields: --json.",
  verbose: "The topic of each message is always shown. All fields: --json.",
  L: "For a URL: --broker mqtt://USER:PASSWORD@HOST:PORT and --topic.",
  url: "For a URL: --broker mqtt://USER:PASSWORD@HOST:PORT and --topic.",
};

/** Other programs' names of options. */
const SYNONYMS: Record<string, string> = {
  "will-message": "will-payload",
  "will-msg": "will-payload",
  id: "client-id",
  pw: "password",
  user: "username",
};

/** @throws UserError exit code 2: an unknown option, a missing value, an unexpected word */
export function parseArguments(usage: Usage, argv: string[]): Parsed {
  refuseOptionAsValue(usage, argv);
  const { rest, given } = takeFlagValues(usage, argv);
  const { argv: parsed, error } = Parser.detailed(rest, parserOptions(usage.options));
  if (error) throw missingValue(usage, unmetOption(error.message));
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
  if (help === null && words.length > usage.words) throw unexpectedWord(usage, words);
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

/** yargs: "Not enough arguments following: fail" */
function unmetOption(message: string): string {
  const name = /following: (\S+)/.exec(message)?.[1] ?? "";
  return `${name.length === 1 ? "-" : "--"}${name}`;
}

/** Finds the argument that yargs would take as a value although it is an option: `-t -m hi`. */
function refuseOptionAsValue(usage: Usage, argv: string[]): void {
  const at = argv.findIndex((argument, i) => {
    const option = optionBefore(usage, argument);
    return option && !option.mayBeEmpty && !option.secret && isOption(usage, argv[i + 1] ?? "");
  });
  if (at >= 0) throw missingValue(usage, argv[at] ?? "", `, but ${argv[at + 1]} follows`);
}

/** Returns the option whose value is the next argument. */
function optionBefore({ options }: Usage, argument: string): Option | undefined {
  const [, name, letter] = /^(?:--(.+)|-([A-Za-z]))$/.exec(argument) ?? [];
  const option = Object.entries(options).find(
    ([long, { alias }]) => long === name || (letter && alias === letter),
  );
  return option?.[1].value === null ? undefined : option?.[1];
}

const isOption = ({ options }: Usage, argument: string): boolean =>
  Object.entries(options).some(([name, { alias }]) => argument === `--${name}` || argument === `-${alias}`);

/** @param given as it was typed, `-t` or `--topic` */
function missingValue(usage: Usage, given: string, why = "") {
  const option = optionBefore(usage, given);
  return usageError(
    "missing-value",
    `${given} needs a value${why}.`,
    option ? `For example: ${given} ${shellQuote(exampleOf(option))}` : moreHelp(usage),
  );
}

const moreHelp = ({ name }: Usage) => `List the options: ${name} --help all`;

function unknownOption(usage: Usage, given: string) {
  const known = SYNONYMS[given] ?? "";
  const nearest = Object.hasOwn(usage.options, known)
    ? known
    : nearestName(given, Object.keys(usage.options));
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

function unexpectedWord(usage: Usage, words: string[]) {
  const shown = words.map(withoutCredentials);
  const isFlagValue = shown.some(word => /^(true|false)$/i.test(word));
  const hint = isFlagValue
    ? "Write the value of an option such as --clean-session after =, for example --clean-session=false"
    : (usage.suggestFor?.(shown) ?? moreHelp(usage));
  return usageError("unexpected-word", `unexpected argument "${shown[usage.words]}".`, hint);
}
