import packageJson from "../../package.json" with { type: "json" };
import { errorEvent, exitCodeOf, UserError } from "../util/errors.js";
import type { OptionTable } from "../config/options/option.js";
import { toAsciiUnlessUnicode } from "../render/ascii.js";
import { escapeText, jsonLine } from "../render/escape.js";
import type { Usage } from "../render/help-text.js";
import type { Screen } from "../render/screen.js";
import { formatDiagnostic } from "../render/diagnostic-text.js";
import type { Warning } from "../config/settings/connection-settings.js";
import {
  merge,
  type MergedOptions,
  optionSource,
  type Source,
  type Variables,
} from "../config/settings/merge-sources.js";
import { isClosed } from "./output.js";
import { type Job, runJob } from "./run-job.js";
import { flushStreams, streams } from "./standard-streams.js";
import { screenFor } from "./terminal.js";

export interface CommandContext {
  /** Arguments that are not options. */
  words: string[];
  screen: Screen;
  /** The environment. */
  variables: Variables;
  /** Node's name for it: `linux`, `win32`, … */
  platform: string;
  nodeVersion: string;
}

export interface CommandDefinition<Table extends OptionTable> extends Usage {
  options: Table;
  prepare(options: MergedOptions<Table>, context: CommandContext): Job | Promise<Job>;
}

const UNREAD = "its output was no longer read, so the rest of it is lost.";

/** Runs a command from its arguments to its exit code. */
export async function runCommand<Table extends OptionTable>(
  command: CommandDefinition<Table>,
): Promise<void> {
  const argv = process.argv.slice(2);
  const screen = await screenFor(streams, process.env, process.platform);
  let outputError: Error | null = null;
  streams.err.on("error", () => {}); // there is nowhere to report it
  streams.out.on("error", (error: NodeJS.ErrnoException) => {
    if (!isClosed(error)) outputError ??= error;
  });
  try {
    await perform(command, argv, screen);
    if (!(await flushStreams())) process.stderr.write(`${command.name}: ${UNREAD}\n`);
    if (outputError) throw cantWrite(outputError);
  } catch (error) {
    fail(command.name, error, argv, screen);
    await flushStreams();
  } finally {
    // Without it, Node dismantles its heap first: 7 % of the processor time for one message.
    process.exit(); // oxlint-disable-line no-process-exit -- with process.exitCode, and nothing left to do
  }
}

async function perform<Table extends OptionTable>(
  command: CommandDefinition<Table>,
  argv: string[],
  screen: Screen,
): Promise<void> {
  if (argv.length === 1 && argv[0] === "--version") return print(packageJson.version);
  // Without yargs, which takes longer to load than all the rest.
  if (argv.length === 1 && (argv[0] === "-h" || argv[0] === "--help"))
    return printHelp(command, false, screen);
  hideSecrets(command.name, argv);
  const { parseArguments } = await import("./parse-args.js");
  const { given, words, help } = parseArguments(command, argv);
  if (help !== null) return printHelp(command, help === "all", screen);
  if (given["version"] !== undefined) return print(packageJson.version);
  const { sources, warnings } = await sourcesOf(command, given);
  const { env: variables, platform, versions } = process;
  const context = { words, screen, variables, platform, nodeVersion: versions.node };
  const job = await command.prepare(merge(command.options, sources), context);
  process.exitCode = await runJob(command.name, { ...job, warnings: [...warnings, ...job.warnings] }, screen);
}

/** Hides the command line from other users of this computer; on Windows, the title would be the window's. */
function hideSecrets(name: string, argv: string[]): void {
  const hasSecret = argv.some(word => /^(--password|-[a-zA-Z]*P)|:\/\/.*@/s.test(word));
  if (hasSecret && process.platform !== "win32") process.title = name;
}

const print = (text: string) => void process.stdout.write(`${text}\n`);

async function printHelp(usage: Usage, all: boolean, screen: Screen): Promise<void> {
  const { helpText } = await import("../render/help-text.js");
  print(toAsciiUnlessUnicode(helpText(usage, all, screen.width), screen));
}

async function sourcesOf(
  { environment: prefix, options }: CommandDefinition<OptionTable>,
  given: Source["values"],
): Promise<{ sources: Source[]; warnings: Warning[] }> {
  const typed = optionSource(options, given);
  if (prefix === null) return { sources: [typed], warnings: [] };
  const { environment } = await import("./env-file.js");
  const envFile = given["env-file"]?.toString();
  if (envFile === "") return { sources: [typed], warnings: [] }; // `merge` refuses it like any other empty value
  const { sources, warnings } = await environment(prefix, options, process.env, envFile);
  return { sources: [typed, ...sources], warnings };
}

const cantWrite = (error: Error) =>
  new UserError("output", `cannot write to standard output: ${error.message}.`, "The disk is probably full.");

/** Writes the error to stderr as text, and with --json to stdout as an event too. */
function fail(name: string, error: unknown, argv: string[], screen: Screen): void {
  const { code, message, hint } = errorEvent(error);
  process.stderr.write(
    `${toAsciiUnlessUnicode(formatDiagnostic(name, "bad", message, hint, screen), screen)}\n`,
  );
  if (argv.includes("--json"))
    print(jsonLine({ time: new Date().toISOString(), event: "error", code, message, hint }));
  process.exitCode = exitCodeOf(error);
  if (argv.some(each => each === "--debug" || each === "-d") && error instanceof Error && error.stack)
    process.stderr.write(`${error.stack.split("\n").map(escapeText).join("\n")}\n`);
}
