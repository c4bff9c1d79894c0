import path from "node:path";
import { brokerOptions } from "../../config/options/broker-options.js";
import { environmentName, type OptionTable, SHARED_PREFIX } from "../../config/options/option.js";
import { pubOptions } from "../../config/options/pub-options.js";
import { subOptions } from "../../config/options/sub-options.js";

const tables: OptionTable[] = [pubOptions, subOptions, brokerOptions];
/** Options whose value names a file or a folder. */
const OF_FILES = new Set(
  tables.flatMap(table => Object.keys(table).filter(name => /^(FILE|DIR)$/.test(table[name]?.value ?? ""))),
);

const LONG = /^--([^=]+)(?:=(.*))?$/s;
/** `-P` alone, behind flags, or with its value. */
const PASSWORD = /^-([a-zA-OQ-Z]*)P=?(.*)$/s;

/** Within a folder, whatever the system: no root, drive or network, and no step up. */
const staysInside = (file: string): boolean =>
  !path.posix.isAbsolute(file) &&
  !path.win32.isAbsolute(file) &&
  !/^[a-z]:/i.test(file) &&
  !file.split(/[\\/]/).includes("..");

/**
 * The option of a command line whose file is not in the run's own folder; null where there is none. That folder is new
 * for each run, so that no link in it leads elsewhere. Each word that looks like an option is taken for one.
 */
export function pathOutsideRun(args: string[]): string | null {
  for (const [i, arg] of args.entries()) {
    const [, name = "", value = args[i + 1] ?? ""] = LONG.exec(arg) ?? [];
    if (OF_FILES.has(name) && !staysInside(value)) return `--${name}`;
  }
  return null;
}

/** A command line without its password, which is in `environment`: others can read command lines, and they are shown. */
export function withoutPassword(args: string[]): { args: string[]; environment: Record<string, string> } {
  const kept: string[] = [];
  let password: string | undefined;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    const [, name, value] = LONG.exec(arg) ?? [];
    const [, flags, rest] = PASSWORD.exec(arg) ?? [];
    if (name !== "password" && flags === undefined) {
      kept.push(arg);
      continue;
    }
    if (flags) kept.push(`-${flags}`);
    password = name === undefined ? rest || args[++i] : (value ?? args[++i]);
  }
  const environment =
    password === undefined ? {} : { [environmentName(SHARED_PREFIX, "password")]: password };
  return { args: kept, environment };
}
