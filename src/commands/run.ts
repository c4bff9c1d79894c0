import { existsSync, readFileSync } from "node:fs";
import packageJson from "../../package.json" with { type: "json" };
import type { Control, StopReason } from "../clients/control.js";
import { ExitCode, errorEvent, exitCodeOf } from "../errors.js";
import type { Sink } from "../events.js";
import type { OptionTable } from "../options.js";
import { escapeText, jsonLine } from "../render/escape.js";
import type { Renderer } from "../render/rendered.js";
import { environmentSources, type Given, merge, type OutputSettings, type Source } from "../settings.js";
import { Output } from "./output.js";
import type { Usage } from "./parse.js";

/** What the terminal can show. */
interface Screen {
  /** Colour on stdout and on stderr: either may be a pipe. */
  colour: { out: boolean; err: boolean };
  unicode: boolean;
}

interface Job {
  output: OutputSettings;
  /** Seconds after which to stop; null: none. */
  timeout: number | null;
  render: Renderer;
  start(sink: Sink, control: Control): Promise<ExitCode>;
}

export interface Program<Table extends OptionTable> extends Usage {
  options: Table;
  /** What its names in the environment start with (`PUB_LWT`); null: it reads options only. */
  environment: string | null;
  prepare(given: Given<Table>, words: string[], screen: Screen): Job | Promise<Job>;
}

/** Runs a command from its arguments to its exit code. The only user of `process`. */
export async function run<Table extends OptionTable>(program: Program<Table>): Promise<void> {
  const argv = process.argv.slice(2);
  try {
    if (argv.length === 1 && argv[0] === "--version") return print(packageJson.version);
    const { helpText, parseArguments } = await import("./parse.js"); // with yargs, which --version does without
    if (argv.length === 1 && argv[0] === "-h") return print(await helpText(program, false));
    const { given, words, help } = await parseArguments(program, argv);
    if (help !== null) return print(await helpText(program, help === "all"));
    if (given["version"] !== undefined) return print(packageJson.version);
    const job = await program.prepare(merge(program.options, await sources(program, given)), words, screen());
    process.exitCode = await work(program.name, job);
  } catch (error) {
    failBeforeStart(program.name, error, argv.includes("--json"));
  }
}

const print = (text: string) => void process.stdout.write(`${text}\n`);

async function sources(
  { environment, options }: Program<OptionTable>,
  given: Source["values"],
): Promise<Source[]> {
  const option: Source = { kind: "option", nameOf: name => `--${name}`, values: given };
  if (environment === null) return [option];
  return [
    option,
    ...environmentSources("environment", environment, options, process.env),
    ...environmentSources("file", environment, options, await dotenvFile()),
  ];
}

/** The variables of `.env` in the working directory; dotenv is loaded only where there is one. */
async function dotenvFile(): Promise<Record<string, string>> {
  if (!existsSync(".env")) return {};
  const { parse } = await import("dotenv");
  return parse(readFileSync(".env"));
}

function screen(): Screen {
  const { NO_COLOR, FORCE_COLOR, TERM, LANG, LC_ALL, LC_CTYPE } = process.env;
  const colourOn = (stream: NodeJS.WriteStream) =>
    FORCE_COLOR ? FORCE_COLOR !== "0" : stream.isTTY && !NO_COLOR && TERM !== "dumb";
  const locale = LC_ALL || LC_CTYPE || LANG || "UTF-8";
  return {
    colour: { out: colourOn(process.stdout), err: colourOn(process.stderr) },
    unicode: process.platform === "win32" || /utf-?8/i.test(locale),
  };
}

async function work(name: string, job: Job): Promise<ExitCode> {
  const stop = new AbortController();
  const stopFor = (reason: StopReason) => stop.abort(reason);
  const output = new Output({ out: process.stdout, err: process.stderr }, job.output, job.render, () =>
    stopFor("output-gone"),
  );
  const interrupted = () => {
    if (process.stderr.isTTY) process.stderr.write("\n"); // the terminal has shown ^C there
    if (stop.signal.aborted) leaveAtOnce(name);
    stopFor("interrupted");
  };
  const parentSays = (message: unknown) => message === "stop" && stopFor("interrupted");
  const parentGone = () => stopFor("interrupted");
  const timer = job.timeout === null ? undefined : setTimeout(() => stopFor("timeout"), job.timeout * 1000);
  process.on("SIGINT", interrupted).on("SIGTERM", interrupted);
  process.on("message", parentSays).on("disconnect", parentGone);
  try {
    const exitCode = await job.start(output.sink, { stop: stop.signal, enter, crash });
    if (stop.signal.reason === "timeout") return ExitCode.timedOut;
    return stop.signal.reason === "output-gone" ? ExitCode.done : exitCode;
  } finally {
    clearTimeout(timer);
    process.off("message", parentSays).off("disconnect", parentGone);
    if (process.connected) process.disconnect();
    process.stdin.pause();
  }
}

/** The second Ctrl-C, while the first is still being answered. */
function leaveAtOnce(name: string): never {
  process.stderr.write(`${name}: left at once; what was under way has been cut off.\n`);
  process.exit(ExitCode.leftEarly); // oxlint-disable-line no-process-exit -- whatever hangs is what we leave
}

const enter = () => new Promise<void>(resolve => process.stdin.once("data", () => resolve()));

async function crash(): Promise<never> {
  for (const stream of [process.stdout, process.stderr])
    await new Promise(resolve => stream.write("", resolve));
  process.kill(process.pid, "SIGKILL");
  return new Promise(() => {});
}

/** Nothing has been started: the error goes to stderr as text, and with --json to stdout as an event too. */
function failBeforeStart(name: string, error: unknown, json: boolean): void {
  const { code, message, hint } = errorEvent(error);
  process.stderr.write(`${name}: ${escapeText(message)}\n  ${escapeText(hint)}\n`);
  if (json) print(jsonLine({ time: new Date().toISOString(), event: "error", code, message, hint }));
  process.exitCode = exitCodeOf(error);
  if (process.argv.includes("--debug") && error instanceof Error) process.stderr.write(`${error.stack}\n`);
}
