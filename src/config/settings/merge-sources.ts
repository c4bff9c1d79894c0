import { withoutCredentials } from "../../connection/broker-url.js";
import { usageError } from "../../util/errors.js";
import { environmentName, type OptionTable, SHARED_PREFIX, type Values } from "../options/option.js";

/** One place that settings come from, as texts by option name; earlier sources go before later ones. */
export interface Source {
  kind: "option" | "environment" | "file";
  /** How this source calls an option, for messages: `--qos`, `LWT_QOS`, … */
  nameOf(option: string): string;
  values: Record<string, string | string[] | undefined>;
}

/** What was given for each option, or its default, and by which source. */
export interface Given<Table extends OptionTable> {
  values: Values<Table>;
  from: Partial<Record<keyof Table, Source>>;
}

/** A source that sets one of these sets them all. */
export const BROKER_GROUP = ["broker", "host", "port"] as const;
const groupOf = (name: string): readonly string[] =>
  (BROKER_GROUP as readonly string[]).includes(name) ? BROKER_GROUP : [name];

export const optionSource = (values: Source["values"]): Source => ({
  kind: "option",
  nameOf: option => `--${option}`,
  values,
});

/** Characters of a bad value that are repeated. */
const LONGEST_SHOWN = 40;

export type Variables = Record<string, string | undefined>;

/**
 * The sources of a client's environment, or of a file like it: names of its own first (`PUB_LWT_QOS`), then the ones
 * that both clients share (`LWT_BROKER`).
 * @param file its name; null for the environment itself
 */
export function environmentSources(
  prefix: string,
  table: OptionTable,
  variables: Variables,
  file: string | null,
): Source[] {
  return [prefix, SHARED_PREFIX].map(start => {
    const given = namesIn(start, table).map(name => {
      const value = variables[environmentName(start, name)] || undefined; // empty is unset
      return [name, value && table[name]?.list ? value.split(",") : value] as const;
    });
    return {
      kind: file === null ? "environment" : "file",
      nameOf: option => environmentName(start, option) + (file === null ? "" : ` in ${file}`),
      values: Object.fromEntries(given),
    };
  });
}

/** The options that have a name in the environment which starts so. */
const namesIn = (start: string, table: OptionTable): string[] =>
  Object.keys(table).filter(
    name => !table[name]?.typedOnly && (start !== SHARED_PREFIX || table[name]?.shared === true),
  );

/** Every variable that a client reads. */
export const variableNames = (prefix: string, table: OptionTable): string[] =>
  [prefix, SHARED_PREFIX].flatMap(start => namesIn(start, table).map(name => environmentName(start, name)));

/** Takes each option from the first source that has it or one of its group, and reads its value or its default. */
export function merge<Table extends OptionTable>(table: Table, sources: Source[]): Given<Table> {
  const values: Record<string, unknown> = {};
  const from: Record<string, Source> = {};
  for (const [name, option] of Object.entries(table)) {
    const source = sources.find(({ values: given }) => groupOf(name).some(one => given[one] !== undefined));
    const given = source?.values[name];
    if (source && given !== undefined) from[name] = source;
    const text = given ?? option.default;
    values[name] = text === undefined ? null : readValue(table, name, text, source);
  }
  return { values, from } as Given<Table>;
}

/** How the source that gave an option calls it. */
export const calledAs = <Table extends OptionTable>({ from }: Given<Table>, name: keyof Table & string) =>
  from[name]?.nameOf(name) ?? `--${name}`;

function readValue(table: OptionTable, name: string, given: string | string[], source?: Source): unknown {
  const option = table[name];
  const readOne = (text: string) => {
    try {
      if (text === "" && !option?.mayBeEmpty) throw new Error("a value, not nothing");
      return option?.read(text);
    } catch (error) {
      const called = source?.nameOf(name) ?? name;
      const safe = withoutCredentials(text);
      const given = safe.length > LONGEST_SHOWN ? `${safe.slice(0, LONGEST_SHOWN)}…` : safe;
      const shown = option?.secret || text === "" ? "" : ` (it was given ${JSON.stringify(given)})`;
      throw usageError(
        "bad-value",
        `${called} wants ${(error as Error).message}${shown}.`,
        option?.help ?? "",
      );
    }
  };
  return Array.isArray(given) ? given.map(readOne) : readOne(given);
}
