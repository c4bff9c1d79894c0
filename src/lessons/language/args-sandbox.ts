import path from "node:path";
import { brokerOptions } from "../../config/options/broker-options.js";
import { environmentName, type OptionTable, SHARED_PREFIX } from "../../config/options/option.js";
import { pubOptions } from "../../config/options/pub-options.js";
import { subOptions } from "../../config/options/sub-options.js";

const tables: OptionTable[] = [pubOptions, subOptions, brokerOptions];
/** Options whose value is a file or a folder. */
const PATH_OPTIONS = new Set(
  tables.flatMap(table => Object.keys(table).filter(name => /^(FILE|DIR)$/.test(table[name]?.value ?? ""))),
);

const LONG_OPTION = /^--([^=]+)(?:=(.*))?$/s;
/** `-P` alone, behind flags, or with its value. */
const PASSWORD_FLAG = /^-([a-zA-OQ-Z]*)P=?(.*)$/s;

/** Whether a path stays in the working directory on every system: no root, drive, network share or `..`. */
const staysInside = (file: string): boolean =>
  !path.posix.isAbsolute(file) &&
  !path.win32.isAbsolute(file) &&
  !/^[a-z]:/i.test(file) &&
  !file.split(/[\\/]/).includes("..");

/**
 * Returns the first option with a file outside the run's folder, or null. That folder is new for each run, so that no
 * symbolic link in it leads elsewhere. Each word that looks like an option counts as one.
 */
export function pathOutsideRun(args: string[]): string | null {
  for (const [i, arg] of args.entries()) {
    const [, name = "", value = args[i + 1] ?? ""] = LONG_OPTION.exec(arg) ?? [];
    if (PATH_OPTIONS.has(name) && !staysInside(value)) return `--${name}`;
  }
  return null;
}

/** Moves a password from the command line, which is shown and which other users can read, to the environment. */
export function withoutPassword(given: string[]): { args: string[]; environment: Record<string, string> } {
  const args: string[] = [];
  let password: string | undefined;
  for (let i = 0; i < given.length; i++) {
    const arg = given[i] ?? "";
    const [, name, value] = LONG_OPTION.exec(arg) ?? [];
    const [, flags, rest] = PASSWORD_FLAG.exec(arg) ?? [];
    if (name !== "password" && flags === undefined) {
      args.push(arg);
      continue;
    }
    if (flags) args.push(`-${flags}`);
    password = name === undefined ? rest || given[++i] : (value ?? given[++i]);
  }
  const environment =
    password === undefined ? {} : { [environmentName(SHARED_PREFIX, "password")]: password };
  return { args, environment };
}
