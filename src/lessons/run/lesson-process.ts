import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { ProcessEvent } from "../../events/events.js";
import { splitLines } from "../../util/split-lines.js";
import { type Command, SLIDE_CODE } from "../language/constants.js";

/** What is typed to start a process. */
export interface Invocation {
  command: Command;
  args: string[];
}

export interface ProcessSettings extends Invocation {
  /** As the lesson calls it. */
  name: string;
  /** Where the committed bin/*.cjs are. */
  binDir: string;
  /** For the slide's lines: a Python that has paho-mqtt 1.x. */
  python: string | null;
  /** Its working directory: the run's own, so that no .env of the reader's has a say. */
  folder: string;
  /** Beside the system's: what reaches the clients by no command line. */
  environment: Record<string, string>;
  /** Comes before any of its output. */
  onStart: (pid: number) => void | Promise<void>;
  /** Its output, in order; while a promise is kept waiting, nothing more is read. */
  onEvent: (event: ProcessEvent) => void | Promise<void>;
  /** After all of its output; it hasn't ended before this is done. */
  onSilence: () => Promise<void>;
}

/** How a process ended, after all of its output was taken. */
export interface ProcessExit {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** What it complained of last on stderr, or null. */
  complaint: string | null;
}

/** One of our commands as a real process: its events out, `stop` and death in. */
export interface LessonProcess {
  readonly name: string;
  readonly command: Command;
  readonly pid: number;
  readonly ended: Promise<ProcessExit>;
  /** The first Ctrl-C, over IPC: the one way that works on every system. */
  stop(): void;
  /** SIGKILL. */
  kill(): void;
}

/** Starts it, without a shell. Rejects if the system can't. */
export async function startProcess(settings: ProcessSettings): Promise<LessonProcess> {
  const { name, command, folder, environment } = settings;
  const { program, words } = programOf(settings);
  const child = spawn(program, words, {
    cwd: folder,
    env: { ...withoutOurs(process.env), ...environment },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    // A Ctrl-C in the terminal is for lwt-demo, which then stops its clients before their broker.
    detached: process.platform !== "win32",
    windowsHide: true,
  });
  await once(child, "spawn");
  const { pid, stdout, stderr } = child;
  if (pid === undefined || !stdout || !stderr) throw new Error(`${command} was started without pid or pipes`);
  return {
    name,
    command,
    pid,
    ended: endOf(child, takeEvents(stdout, pid, settings), lastComplaint(stderr)),
    // A process that is just ending has no channel any more; `ended` tells of that.
    stop: () =>
      void (child.connected ? child.send("stop", () => {}) : command === SLIDE_CODE && child.kill()),
    kill: () => void child.kill("SIGKILL"),
  };
}

function programOf({ command, args, binDir, python }: ProcessSettings): { program: string; words: string[] } {
  if (command !== SLIDE_CODE)
    return { program: process.execPath, words: [path.join(binDir, `${command}.cjs`), ...args, "--json"] };
  return { program: python ?? "python3", words: [path.join(binDir, "..", "examples", command), ...args] };
}

/** Asks it to stop, and kills it if it hasn't after so many milliseconds. True if it stopped by itself. */
export async function stopOrKill(running: LessonProcess, patience: number): Promise<boolean> {
  running.stop();
  const stopped = await exitsWithin(running, patience);
  if (!stopped) running.kill();
  await running.ended;
  return stopped;
}

/** Whether it has ended after so many milliseconds at the most. */
export async function exitsWithin(running: LessonProcess, patience: number): Promise<boolean> {
  const enough = new AbortController();
  const late = delay(patience, false, { signal: enough.signal }).catch(() => false);
  const ended = await Promise.race([running.ended.then(() => true), late]);
  enough.abort();
  return ended;
}

/** The reader's own LWT_ settings would change what a lesson shows. */
const withoutOurs = (environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(environment).filter(([key]) => !/^((PUB|SUB)_)?LWT_/i.test(key)));

async function takeEvents(output: Readable, pid: number, settings: ProcessSettings): Promise<void> {
  const { name, onStart, onEvent, onSilence } = settings;
  await onStart(pid);
  // Our own commands keep to the vocabulary (contract.md), so that a line is taken for what it says it is.
  for await (const line of splitLines(output))
    await onEvent({ ...(JSON.parse(line.toString()) as ProcessEvent), process: name });
  await onSilence();
}

/** Errors are a line on what is wrong, then an indented one on what to do; Node signs a crash with its version. */
async function lastComplaint(output: Readable): Promise<string | null> {
  let last: string | null = null;
  for await (const line of splitLines(output)) {
    const text = line.toString();
    if (/^(?!Node\.js v)\S/.test(text)) last = text;
  }
  return last;
}

async function endOf(
  child: ChildProcess,
  events: Promise<void>,
  complaint: Promise<string | null>,
): Promise<ProcessExit> {
  const exited = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  await events.catch((error: unknown) => {
    child.kill("SIGKILL");
    throw error;
  });
  const [code, signal] = await exited;
  return { code, signal, complaint: await complaint };
}
