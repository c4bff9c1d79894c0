import { withoutCredentials } from "../../protocol/broker-url.js";
import { usageError } from "../../util/errors.js";
import { shellQuote } from "../../util/shell-quote.js";
import {
  environmentName,
  exampleOf,
  type Option,
  type OptionTable,
  SHARED_PREFIX,
  type Values,
} from "../options/option.js";

/** A source of settings: texts by option name. */
export interface Source {
  kind: "option" | "environment" | "file";
  /** Returns an option's name in this source, for messages: `--qos`, `LWT_QOS`, … */
  nameOf(option: string): string;
  /** Returns how the user writes an option with a value in this source: `--qos 1`, `LWT_QOS=1`, … */
  assignment(option: string, value: string): string;
  values: Record<string, string | string[] | undefined>;
}

/** The value of each option, and the source of those that are not defaults. */
export interface MergedOptions<Table extends OptionTable> {
  values: Values<Table>;
  from: Partial<Record<keyof Table, Source>>;
}

/** A source that sets one of these options sets the whole group. */
export const BROKER_GROUP = ["broker", "host", "port"] as const;
const groupOf = (name: string): readonly string[] =>
  (BROKER_GROUP as readonly string[]).includes(name) ? BROKER_GROUP : [name];

export const optionSource = (table: OptionTable, values: Source["values"]): Source => ({
  kind: "option",
  nameOf: option => `--${option}`,
  assignment: (option, value) =>
    `--${option}${table[option]?.value === null ? "=" : " "}${shellQuote(value)}`,
  values,
});

/** Of a bad value, in its message. */
const MAX_SHOWN_CHARS = 40;

export type Variables = Record<string, string | undefined>;

/**
 * Returns the sources in the environment or a file: a client's own names first (`PUB_LWT_QOS`), then shared names
 * (`LWT_BROKER`).
 * @param file its name; null: the environment
 */
export function environmentSources(
  prefix: string,
  table: OptionTable,
  variables: Variables,
  file: string | null,
): Source[] {
  return [prefix, SHARED_PREFIX].map(start => {
    const values = namesIn(start, table).map(name => {
      const value = variables[environmentName(start, name)] || undefined; // empty is unset
      return [name, value && table[name]?.list ? value.split(",") : value] as const;
    });
    return {
      kind: file === null ? "environment" : "file",
      nameOf: option => environmentName(start, option) + (file === null ? "" : ` in ${file}`),
      assignment: (option, value) => `${environmentName(start, option)}=${shellQuote(value)}`,
      values: Object.fromEntries(values),
    };
  });
}

const namesIn = (start: string, table: OptionTable): string[] =>
  Object.keys(table).filter(
    name => !table[name]?.typedOnly && (start !== SHARED_PREFIX || table[name]?.shared === true),
  );

export const variableNames = (prefix: string, table: OptionTable): string[] =>
  [prefix, SHARED_PREFIX].flatMap(start => namesIn(start, table).map(name => environmentName(start, name)));

/** Reads each option from the first source that sets it or one of its group, or reads its default. */
export function merge<Table extends OptionTable>(table: Table, sources: Source[]): MergedOptions<Table> {
  const values: Record<string, unknown> = {};
  const from: Record<string, Source> = {};
  for (const [name, option] of Object.entries(table)) {
    const source = sources.find(({ values: given }) => groupOf(name).some(one => given[one] !== undefined));
    const given = source?.values[name];
    if (source && given !== undefined) from[name] = source;
    const text = given ?? option.default;
    values[name] = text === undefined ? null : readValue(table, name, text, source);
  }
  return { values, from } as MergedOptions<Table>;
}

/** Returns an option's name in the source that set it. */
export const nameAsGiven = <Table extends OptionTable>(
  { from }: MergedOptions<Table>,
  name: keyof Table & string,
) => from[name]?.nameOf(name) ?? `--${name}`;

function readValue(table: OptionTable, name: string, given: string | string[], source?: Source): unknown {
  const option = table[name];
  const readOne = (text: string) => {
    try {
      if (text === "" && !option?.mayBeEmpty) throw new Error("a value, not an empty text");
      return option?.read(text);
    } catch (error) {
      const called = source?.nameOf(name) ?? name;
      const safe = withoutCredentials(text);
      const given = safe.length > MAX_SHOWN_CHARS ? `${safe.slice(0, MAX_SHOWN_CHARS)}…` : safe;
      const shown = option?.secret || text === "" ? "" : ` (it was given ${JSON.stringify(given)})`;
      throw usageError(
        "bad-value",
        `${called} needs ${(error as Error).message}${shown}.`,
        option && source ? correction(name, option, text, source) : "",
      );
    }
  };
  return Array.isArray(given) ? given.map(readOne) : readOne(given);
}

/** The same value in lower case, if that is one, or else an example. */
function correction(name: string, option: Option, text: string, source: Source): string {
  const lower = text.toLowerCase();
  try {
    option.read(lower);
    if (lower !== text) return `Did you mean ${source.assignment(name, lower)}?`;
  } catch {}
  return `For example: ${source.assignment(name, exampleOf(option))}`;
}
