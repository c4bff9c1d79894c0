import { readFileSync } from "node:fs";
import { usageError } from "../util/errors.js";
import type { OptionTable } from "../config/options/option.js";
import type { Warning } from "../config/settings/connection-settings.js";
import {
  environmentSources,
  type Source,
  type Variables,
  variableNames,
} from "../config/settings/merge-sources.js";
import { nearestVariable } from "./suggestions.js";

const DEFAULT_FILE = ".env";

/** Reads the settings of the environment, then of the file; unknown names in the environment become warnings. */
export async function environment(
  prefix: string,
  table: OptionTable,
  variables: Variables,
  envFile: string | undefined,
): Promise<{ sources: Source[]; warnings: Warning[] }> {
  const known = variableNames(prefix, table);
  const warnings = Object.keys(variables)
    .filter(name => isOurs(prefix, name) && !known.includes(name))
    .map(name => ({ code: "unknown-setting", ...unknownName(name, "the environment", known) }));
  const file = envFile ?? DEFAULT_FILE;
  const text = readEnvironmentFile(file, envFile !== undefined);
  const fromFile = text === null ? {} : await parseEnvironmentFile(file, text, prefix, known);
  return {
    sources: [
      ...environmentSources(prefix, table, variables, null),
      ...environmentSources(prefix, table, fromFile, file),
    ],
    warnings,
  };
}

const isOurs = (prefix: string, name: string) => name.startsWith(`${prefix}_`) || name.startsWith("LWT_");

function readEnvironmentFile(file: string, required: boolean): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" && !required) return null;
    throw bad(
      `cannot read ${file}: ${code === "ENOENT" ? "there is no such file" : message}.`,
      "Name a file with lines such as LWT_BROKER=local. .env.example lists all names.",
    );
  }
}

/** dotenv is silent about lines that it can't parse: those with our names are errors here. */
async function parseEnvironmentFile(
  file: string,
  text: string,
  prefix: string,
  known: string[],
): Promise<Variables> {
  if (text.includes("\0") || text.includes("\ufffd")) throw notText(file);
  const { parse } = await import("dotenv"); // loaded only for a file
  const variables = parse(text);
  for (const [i, line] of text.split(/\r\n|\n|\r/).entries()) {
    const [, name, value = ""] = /^\s*(?:export\s+)?(\w+)(?:\s*=\s*(.*?)\s*$)?/.exec(line) ?? [];
    if (name === undefined || !isOurs(prefix, name)) continue;
    const where = `line ${i + 1} of ${file}`;
    if (!Object.hasOwn(variables, name))
      throw bad(`${where} is not read: ${name} has no = after it.`, `Write ${name}=VALUE.`);
    if (/^[^'"`\s][^\s]*#/.test(value))
      throw bad(`${where}: in ${name}, # begins a comment.`, `Quote the value: ${name}='…'`);
    if (known.includes(name)) continue;
    const { message, hint } = unknownName(name, where, known);
    throw bad(message, hint);
  }
  return variables;
}

/** `>` of Windows PowerShell writes UTF-16, in which every second byte is 0. */
const notText = (file: string) =>
  bad(`${file} is not a text in UTF-8.`, "Save it as UTF-8: Windows PowerShell's > writes UTF-16.");

const bad = (message: string, hint: string) => usageError("bad-env-file", message, hint);

function unknownName(name: string, where: string, known: string[]): { message: string; hint: string } {
  const nearest = nearestVariable(name, known);
  return {
    message: `${where}: there is no setting ${name}.${nearest ? ` Did you mean ${nearest}?` : ""}`,
    hint: "--show-settings lists the current settings, .env.example all names.",
  };
}
