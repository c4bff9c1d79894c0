import packageJson from "../../package.json" with { type: "json" };
import type { RunContext, StopReason } from "../clients/run-context.js";
import { ExitCode, errorEvent, exitCodeOf, UserError } from "../util/errors.js";
import type { Sink } from "../events/events.js";
import type { OptionTable } from "../config/options/option.js";
import { asDrawable } from "../render/ascii.js";
import { escapeText, jsonLine } from "../render/escape.js";
import type { Usage } from "../render/help-text.js";
import type { Renderer } from "../render/renderer.js";
import type { Screen } from "../render/screen.js";
import { formatDiagnostic } from "../render/diagnostic-text.js";
import type { Warning } from "../config/settings/connection-settings.js";
import {
  type MergedOptions,
  merge,
  optionSource,
  type Source,
  type Variables,
} from "../config/settings/merge-sources.js";
import type { Keyboard } from "./keyboard.js";
import { type StatusLine, StatusLineOutput } from "./status-line.js";
import { isClosed, Output, type OutputSettings } from "./output.js";
import { canRewrite, screenFor } from "./terminal.js";

interface Job {
  output: OutputSettings;
  /** Seconds after which to stop; null: none. */
  timeout: number | null;
  render: Renderer;
  /** Said before it starts. */
  warnings: Warning[];
  /** Stops in order when its terminal is closed, for it has something to clear away; others just end. */
  outlivesTerminal?: boolean;
  /** What it shows on a terminal in place of the last line, which it gets for as long as it has nothing to show. */
  live?(stdout: NodeJS.WriteStream, line: StatusLine | null): StatusLine;
  start(sink: Sink, control: RunContext): Promise<ExitCode>;
}

/** What a command is made for: its words, what its output can show, and where it runs. */
interface Circumstances {
  words: string[];
  screen: Screen;
  /** The environment. */
  variables: Variables;
  /** As Node calls it: `linux`, `win32`, … */
  platform: string;
}

export interface CommandDefinition<Table extends OptionTable> extends Usage {
  options: Table;
  prepare(given: MergedOptions<Table>, circumstances: Circumstances): Job | Promise<Job>;
}

const streams = { out: process.stdout, err: process.stderr };

/** Milliseconds in which stdout may take nothing, once the command was told to stop: a reader may have stopped reading. */
const PATIENCE = 3000;
let isToldToStop = false;
const UNREAD = "its output was not read any more, and what was left of that is lost.";

/** Why stdout could not be written to; that its reader has gone is no failure. */
let outputError: Error | null = null;

/** Runs a command from its arguments to its exit code. The only user of `process`. */
export async function runCommand<Table extends OptionTable>(
  program: CommandDefinition<Table>,
): Promise<void> {
  const argv = process.argv.slice(2);
  const screen = await screenFor(streams, process.env, process.platform);
  streams.err.on("error", () => {}); // no one is left to tell
  streams.out.on("error", (error: NodeJS.ErrnoException) => {
    if (!isClosed(error)) outputError ??= error;
  });
  try {
    await perform(program, argv, screen);
    if (!(await written())) process.stderr.write(`${program.name}: ${UNREAD}\n`);
    if (outputError) throw cantWrite(outputError);
  } catch (error) {
    fail(program.name, error, argv, screen);
    await written();
  } finally {
    // Ended by itself, Node takes its heap apart first: 7 % of the processor time for one message.
    process.exit(); // oxlint-disable-line no-process-exit -- with process.exitCode, and nothing left to do
  }
}

async function perform<Table extends OptionTable>(
  program: CommandDefinition<Table>,
  argv: string[],
  screen: Screen,
): Promise<void> {
  if (argv.length === 1 && argv[0] === "--version") return print(packageJson.version);
  // Answered without yargs, which takes longer to load than all the rest.
  if (argv.length === 1 && (argv[0] === "-h" || argv[0] === "--help"))
    return printHelp(program, false, screen);
  hideSecrets(program.name, argv);
  const { parseArguments } = await import("./parse-args.js");
  const { given, words, help } = parseArguments(program, argv);
  if (help !== null) return printHelp(program, help === "all", screen);
  if (given["version"] !== undefined) return print(packageJson.version);
  const { sources, warnings } = await sourcesOf(program, given);
  const circumstances = { words, screen, variables: process.env, platform: process.platform };
  const job = await program.prepare(merge(program.options, sources), circumstances);
  process.exitCode = await work(program.name, { ...job, warnings: [...warnings, ...job.warnings] }, screen);
}

/** @returns whether stdout and stderr have taken all */
async function written(): Promise<boolean> {
  const all: boolean[] = [];
  for (const stream of Object.values(streams)) all.push(await taken(stream));
  return all.every(Boolean);
}

/** Kept when the stream has taken all; or nothing for a while, with the command told to stop: false. */
function taken(stream: NodeJS.WriteStream): Promise<boolean> {
  return new Promise(resolve => {
    let left = stream.writableLength;
    const look = setInterval(() => {
      if (isToldToStop && stream.writableLength === left) resolve(false);
      left = stream.writableLength;
    }, PATIENCE);
    stream.write("", () => {
      clearInterval(look);
      resolve(true);
    });
  });
}

/** Other users of this computer can read command lines; on Windows a title would be the window's. */
function hideSecrets(name: string, argv: string[]): void {
  const hasSecret = argv.some(word => /^(--password|-[a-zA-Z]*P)|:\/\/.*@/s.test(word));
  if (hasSecret && process.platform !== "win32") process.title = name;
}

const print = (text: string) => void process.stdout.write(`${text}\n`);

async function printHelp(program: Usage, all: boolean, screen: Screen): Promise<void> {
  const { helpText } = await import("../render/help-text.js");
  print(asDrawable(helpText(program, all, screen.width), screen));
}

async function sourcesOf(
  { environment: prefix, options }: CommandDefinition<OptionTable>,
  given: Source["values"],
): Promise<{ sources: Source[]; warnings: Warning[] }> {
  const typed = optionSource(given);
  if (prefix === null) return { sources: [typed], warnings: [] };
  const { environment } = await import("./env-file.js");
  const envFile = given["env-file"]?.toString();
  if (envFile === "") return { sources: [typed], warnings: [] }; // refused like any other empty value
  const { sources, warnings } = await environment(prefix, options, process.env, envFile);
  return { sources: [typed, ...sources], warnings };
}

async function work(name: string, job: Job, screen: Screen): Promise<ExitCode> {
  const stop = new AbortController();
  const stopFor = (reason: StopReason) => {
    isToldToStop ||= reason === "interrupted";
    stop.abort(reason);
  };
  const { output: settings, render } = job;
  // Both: what comes out of a pipe, as with `| tee`, would be written into the line.
  const rewrites = Object.values(streams).every(stream => canRewrite(stream, process.env));
  const line = rewrites ? new StatusLineOutput(streams.err, screen) : null;
  const live = job.live && canRewrite(streams.out, process.env) ? job.live(streams.out, line) : line;
  const output = new Output({ streams, settings, render, screen, live }, stopFor);
  const interrupted = (signal: NodeJS.Signals) => {
    output.interrupted(signal === "SIGINT");
    if (stop.signal.aborted) {
      output.flush();
      leaveAtOnce(name);
    }
    stopFor("interrupted");
  };
  const parentSays = (message: unknown) => message === "stop" && stopFor("interrupted");
  const parentGone = () => stopFor("interrupted");
  let keyboard = null as Keyboard | null;
  const keys = async () =>
    (keyboard ??= new (await import("./keyboard.js")).Keyboard(stdin(), () => interrupted("SIGINT")));
  /** Keys are asked for where the question can be seen. */
  const key = async (fresh: boolean) => {
    if (!stdin().isTTY || !process.stdout.isTTY || settings.json || stop.signal.aborted) return null;
    const keyboard = await keys();
    if (fresh) keyboard.forget();
    return keyboard.next();
  };
  const secret = async (question: string) => {
    const { readFirstLine, promptPassword } = await import("./password-prompt.js");
    if (!stdin().isTTY) {
      const text = await readFirstLine(stdin());
      return text === null ? null : { text, isTyped: false };
    }
    const keyboard = await keys(); // from here on nothing is shown
    process.stderr.write(question);
    const text = await promptPassword(keyboard);
    process.stderr.write("\n");
    return text === null ? null : { text, isTyped: true };
  };
  stop.signal.addEventListener("abort", () => keyboard?.end());
  const timer = job.timeout === null ? undefined : setTimeout(() => stopFor("timeout"), job.timeout * 1000);
  process.on("SIGINT", interrupted).on("SIGTERM", interrupted);
  // The shell and the system may each send one.
  if (job.outlivesTerminal) process.on("SIGHUP", () => stopFor("interrupted"));
  process.on("message", parentSays).on("disconnect", parentGone);
  for (const warning of job.warnings) void output.sink({ event: "warning", ...warning });
  try {
    const crash = () => {
      output.flush();
      return crashNow();
    };
    const exitCode = await job.start(output.sink, { stop: stop.signal, enter, input, key, secret, crash });
    if (stop.signal.reason === "timeout") return ExitCode.timedOut;
    return stop.signal.reason === "output-gone" ? ExitCode.done : exitCode;
  } finally {
    clearTimeout(timer);
    keyboard?.end();
    output.end();
    process.off("message", parentSays).off("disconnect", parentGone);
    if (process.connected) process.disconnect();
    openedStdin?.destroy();
  }
}

const cantWrite = (error: Error) =>
  new UserError("output", `standard output can't be written: ${error.message}.`, "Is the disk full?");

/** The second Ctrl-C, while the first is still being answered. */
function leaveAtOnce(name: string): never {
  process.stderr.write(`${name}: left at once; what was under way has been cut off.\n`);
  process.exit(ExitCode.leftEarly); // oxlint-disable-line no-process-exit -- whatever hangs is what we leave
}

let openedStdin: typeof process.stdin | null = null;
/** Node opens it when it is looked at, and loads 3 ms of modules for that. */
const stdin = () => (openedStdin ??= process.stdin);

const enter = () =>
  new Promise<"pressed" | "ended">(resolve => {
    stdin()
      .once("data", () => resolve("pressed"))
      .once("end", () => resolve("ended"));
  });
const input = (): AsyncIterable<Buffer> => stdin();

async function crashNow(): Promise<never> {
  await written();
  process.kill(process.pid, "SIGKILL");
  return new Promise(() => {});
}

/** The error goes to stderr as text, and with --json to stdout as an event too. */
function fail(name: string, error: unknown, argv: string[], screen: Screen): void {
  const { code, message, hint } = errorEvent(error);
  process.stderr.write(`${asDrawable(formatDiagnostic(name, "bad", message, hint, screen), screen)}\n`);
  if (argv.includes("--json"))
    print(jsonLine({ time: new Date().toISOString(), event: "error", code, message, hint }));
  process.exitCode = exitCodeOf(error);
  if (argv.some(each => each === "--debug" || each === "-d") && error instanceof Error && error.stack)
    process.stderr.write(`${error.stack.split("\n").map(escapeText).join("\n")}\n`);
}
