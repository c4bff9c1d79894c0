import type { RunContext, StopReason } from "../clients/run-context.js";
import type { Warning } from "../config/settings/connection-settings.js";
import type { Sink } from "../events/events.js";
import type { Renderer } from "../render/renderer.js";
import type { Screen } from "../render/screen.js";
import { ExitCode } from "../util/errors.js";
import { Output, type OutputSettings } from "./output.js";
import { flushStreams, limitFlush, streams } from "./standard-streams.js";
import { type StatusLine, StatusLineOutput } from "./status-line.js";
import { canRewrite } from "./terminal.js";
import { UserInput } from "./user-input.js";

/** A command's work, with the renderer of its events. */
export interface Job {
  output: OutputSettings;
  /** Seconds after which to stop; null: none. */
  timeout: number | null;
  render: Renderer;
  /** Emitted before the start. */
  warnings: Warning[];
  /** Stops in order when its terminal is closed, because it has processes and files to remove. */
  outlivesTerminal?: boolean;
  /** Replaces the status line on a terminal; gets that line until it has something to show. */
  live?(stdout: NodeJS.WriteStream, line: StatusLine | null): StatusLine;
  start(sink: Sink, context: RunContext): Promise<ExitCode>;
}

/** Runs a job with its output and input, and stops it on signals, on `stop` over IPC, or when its time has passed. */
export async function runJob(name: string, job: Job, screen: Screen): Promise<ExitCode> {
  const stop = new AbortController();
  const stopFor = (reason: StopReason) => {
    if (reason === "interrupted") limitFlush();
    stop.abort(reason);
  };
  const output = outputOf(job, screen, stopFor);
  const onSignal = (signal: NodeJS.Signals) => {
    output.interrupted(signal === "SIGINT");
    if (stop.signal.aborted) {
      output.flush();
      leaveAtOnce(name);
    }
    stopFor("interrupted");
  };
  const onMessage = (message: unknown) => message === "stop" && stopFor("interrupted");
  const onDisconnect = () => stopFor("interrupted");
  const input = new UserInput(stop.signal, job.output.json, () => onSignal("SIGINT"));
  const { enter, key, secret } = input;
  const crash = () => {
    output.flush();
    return crashNow();
  };
  const timer = job.timeout === null ? undefined : setTimeout(() => stopFor("timeout"), job.timeout * 1000);
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  if (job.outlivesTerminal) process.on("SIGHUP", () => stopFor("interrupted")); // from the shell, the system, or both
  process.on("message", onMessage).on("disconnect", onDisconnect);
  for (const warning of job.warnings) void output.sink({ event: "warning", ...warning });
  try {
    const context = { stop: stop.signal, enter, input: input.input, key, secret, crash };
    const exitCode = await job.start(output.sink, context);
    if (stop.signal.reason === "timeout") return ExitCode.timedOut;
    return stop.signal.reason === "output-gone" ? ExitCode.done : exitCode;
  } finally {
    clearTimeout(timer);
    input.end();
    output.end();
    process.off("message", onMessage).off("disconnect", onDisconnect);
    if (process.connected) process.disconnect();
  }
}

function outputOf(job: Job, screen: Screen, stopFor: (reason: StopReason) => void): Output {
  const { output: settings, render } = job;
  // Both: a program behind a pipe, as with `| tee`, would write into the line.
  const rewrites = Object.values(streams).every(stream => canRewrite(stream, process.env));
  const line = rewrites ? new StatusLineOutput(streams.err, screen) : null;
  const live = job.live && canRewrite(streams.out, process.env) ? job.live(streams.out, line) : line;
  return new Output({ streams, settings, render, screen, live }, stopFor);
}

/** Ends the process on the second Ctrl-C, while it still stops for the first. */
function leaveAtOnce(name: string): never {
  process.stderr.write(`${name}: stopped at once; unfinished work was cut off.\n`);
  process.exit(ExitCode.leftEarly); // oxlint-disable-line no-process-exit -- cleaning up is what may hang
}

async function crashNow(): Promise<never> {
  await flushStreams();
  process.kill(process.pid, "SIGKILL");
  return new Promise(() => {});
}
