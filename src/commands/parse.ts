import { closest, distance } from "fastest-levenshtein";
import yargs from "yargs";
import { usageError } from "../errors.js";
import type { Option, OptionTable } from "../options.js";

/** What a command is called with, and what its help says beside the options. */
export interface Usage {
  name: string;
  /** `$0 [options]` in yargs' notation. */
  synopsis: string;
  description: string;
  /** How many words it takes beside options. */
  words: number;
  options: OptionTable;
  /** Pairs of a command line and what it does, the first things to try. */
  examples: [string, string][];
}

export interface Parsed {
  /** By option name, as texts: flags as "true" or "false". */
  given: Record<string, string | string[]>;
  words: string[];
  /** The help was asked for; "all" with the options that few need. */
  help: "common" | "all" | null;
}

/** Nothing is guessed: no numbers made of texts, no --no-x made of --x, no dots or camels, the last of doubles wins. */
const PARSING = {
  "boolean-negation": false,
  "camel-case-expansion": false,
  "dot-notation": false,
  "greedy-arrays": false,
  "nargs-eats-options": true,
  "parse-numbers": false,
  "parse-positional-numbers": false,
};

/** Only whole words reach yargs' parser as values; what else was on the command line is refused here. */
export async function parseArguments(usage: Usage, argv: string[]): Promise<Parsed> {
  const parsed: Record<string, unknown> = await parser(usage, argv, true).parseAsync();
  const words = (parsed["_"] as unknown[]).map(String);
  const help =
    parsed["help"] === undefined || parsed["help"] === false
      ? null
      : words.includes("all")
        ? "all"
        : "common";
  const given: Parsed["given"] = {};
  const aliases = new Set(Object.values(usage.options).map(({ alias }) => alias));
  for (const [name, value] of Object.entries(parsed)) {
    if (name === "_" || name === "$0" || aliases.has(name) || value === undefined) continue;
    const option = usage.options[name];
    if (!option) throw unknownOption(usage, name);
    given[name] = textOf(option, value);
  }
  if (help === null && words.length > usage.words) throw unexpectedWord(usage, words[usage.words] ?? "");
  return { given, words, help };
}

/** The help, 80 columns wide at most. */
export const helpText = (usage: Usage, all: boolean): Promise<string> => parser(usage, [], all).getHelp();

function parser({ name, synopsis, description, options, examples }: Usage, argv: string[], all: boolean) {
  const instance = yargs(argv)
    .scriptName(name)
    .usage(`${synopsis}\n\n${description}`)
    .parserConfiguration(PARSING)
    .locale("en")
    .help(false)
    .version(false)
    .exitProcess(false)
    .wrap(80)
    .example(examples)
    .fail(message => {
      throw missingValue(name, message);
    });
  for (const [option, { alias, value, help, list, common, default: shown }] of Object.entries(options))
    instance.option(option, {
      describe: help,
      type: value === null ? "boolean" : "string",
      hidden: !all && !common,
      ...(alias && { alias }),
      ...(value !== null && { nargs: 1 }),
      ...(list && { array: true }),
      ...(shown !== undefined && { defaultDescription: shown }),
    });
  return instance;
}

function textOf(option: Option, value: unknown): string | string[] {
  const texts = (Array.isArray(value) ? value : [value]).map(String);
  return option.list ? texts : (texts.at(-1) ?? "");
}

function missingValue(name: string, message: string) {
  const option = /following: (\S+)/.exec(message)?.[1];
  return usageError(
    "missing-value",
    option ? `--${option} needs a value.` : `${message}.`,
    `${name} --help shows how it is used.`,
  );
}

const moreHelp = ({ name }: Usage) => `${name} --help shows the common options, ${name} --help all the rest.`;

function unknownOption(usage: Usage, given: string) {
  const nearest = nearestName(given, Object.keys(usage.options));
  const dashes = given.length === 1 ? "-" : "--";
  const question = nearest ? ` Did you mean --${nearest}?` : "";
  return usageError("unknown-option", `there is no option ${dashes}${given}.${question}`, moreHelp(usage));
}

const unexpectedWord = (usage: Usage, word: string) =>
  usageError(
    "unexpected-word",
    `"${word}" is not an option, and nothing was expected there.`,
    moreHelp(usage),
  );

/** The name that is a typing mistake or two away, if there is one. */
export function nearestName(given: string, names: string[]): string | undefined {
  const nearest = closest(given, names);
  return distance(given, nearest) <= 1 + given.length / 3 ? nearest : undefined;
}
