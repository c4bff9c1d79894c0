/** One option of a command: everything that parsing, help, the environment and the documents say of it. */
export interface Option<T = unknown> {
  /** One letter. */
  alias?: string;
  /** What stands for the value in the help; null for a flag. */
  value: string | null;
  /** One line. */
  help: string;
  /** What it is where no source says otherwise, as a text that `read` takes. */
  default?: string;
  /** In its place, for the reader, where the default depends on other options; config/settings/ derives it. */
  derived?: string;
  /** Shown by --help; the rest by --help all. */
  common?: boolean;
  /** May be given several times; in the environment, separated by commas. */
  list?: boolean;
  /** An empty value means something. */
  mayBeEmpty?: boolean;
  /** Also read from LWT_… in the environment, which both clients share. */
  shared?: boolean;
  /** Makes sense on the command line only: no environment variable. */
  typedOnly?: boolean;
  /** Shown in no output. */
  secret?: boolean;
  /** From the value's text; throws an Error that says what it should have been. */
  read: (text: string) => T;
}

export type OptionTable = Record<string, Option>;

/** The values of a table's options: where there is no default, null stands for "not given". */
export type Values<Table extends OptionTable> = {
  [Name in keyof Table]: ValueOf<Table[Name]> | (Table[Name] extends { default: string } ? never : null);
};

type ValueOf<One extends Option> = One extends { list: true }
  ? ReturnType<One["read"]>[]
  : ReturnType<One["read"]>;

/** How an option is called in the environment: `qos` is `PUB_LWT_QOS`. */
export const environmentName = (prefix: string, option: string): string =>
  `${prefix}_${option.toUpperCase().replaceAll("-", "_")}`;

/** The prefix of the names that both clients share. */
export const SHARED_PREFIX = "LWT";
