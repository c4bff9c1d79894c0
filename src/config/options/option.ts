/** The headings of the help, in order. */
export const GROUPS = [
  "Lesson",
  "Check",
  "Listen",
  "Broker",
  "TLS",
  "Users",
  "Client",
  "Messages",
  "Will",
  "Failure",
  "Session",
  "Storage",
  "Limits",
  "Status",
  "Output",
  "General",
] as const;

/** An option of a command, for parsing, help, environment and documents. */
export interface Option<T = unknown> {
  /** One letter. */
  alias?: string;
  /** The placeholder in the help; null for a flag. */
  value: string | null;
  group: (typeof GROUPS)[number];
  /** One line. */
  help: string;
  /** The meaning of each value, if there are few. */
  choices?: Record<string, string>;
  /** A value for hints; without it, the default or the placeholder. */
  example?: string;
  /** A text for `read`. */
  default?: string;
  /** Describes a default that config/settings/ derives from other options. */
  derived?: string;
  /** Shown by --help; the rest by --help all. */
  common?: boolean;
  /** May be given several times; in the environment, separated by commas. */
  list?: boolean;
  mayBeEmpty?: boolean;
  /** Also read from LWT_… in the environment, which both clients share. */
  shared?: boolean;
  /** Has no environment variable. */
  typedOnly?: boolean;
  /** Its value is never shown. */
  secret?: boolean;
  /** Parses the value; throws an Error whose message names what is expected. */
  read: (text: string) => T;
}

export type OptionTable = Record<string, Option>;

/** The values of a table's options; null: not given and without a default. */
export type Values<Table extends OptionTable> = {
  [Name in keyof Table]: ValueOf<Table[Name]> | (Table[Name] extends { default: string } ? never : null);
};

type ValueOf<One extends Option> = One extends { list: true }
  ? ReturnType<One["read"]>[]
  : ReturnType<One["read"]>;

/** Returns an option's environment variable: `PUB_LWT_QOS` for `qos`. */
export const environmentName = (prefix: string, option: string): string =>
  `${prefix}_${option.toUpperCase().replaceAll("-", "_")}`;

/** Returns a value for hints. */
export const exampleOf = ({ example, default: literal, value }: Option): string =>
  example ?? (value === null ? "true" : (literal ?? value));

/** Of the variables that both clients read. */
export const SHARED_PREFIX = "LWT";
