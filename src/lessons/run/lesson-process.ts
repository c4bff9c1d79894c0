import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { ProcessEvent } from "../../events/events.js";
import { splitLines } from "../../util/split-lines.js";
import { type Command, SLIDE_CODE } from "../language/constants.js";

export interface Invocation {
  command: Command;
  args: string[];
}

export interface ProcessSettings extends Invocation {
  /** The lesson's name for the process. */
  name: string;
  /** The folder of the committed bin/*.cjs. */
  binDir: string;
  /** A Python with paho-mqtt 1.x for the slide's code. */
  python: string | null;
  /** The working directory: the run's own, so that no .env of the user applies. */
  folder: string;
  /** Added to the system's environment. */
  environment: Record<string, string>;
  /** Called before any of the output is read. */
  onStart?: (pid: number) => void | Promise<void>;
  /** Called for each event, in order. No output is read until its promise resolves. */
  onEvent?: (event: ProcessEvent) => void | Promise<void>;
  /** Called after all of the output. `ended` waits for its promise. */
  onOutputEnd?: () => Promise<void>;
}

export interface ProcessExit {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** The last error on stderr, or null. */
  error: string | null;
}

/** A running command of this package, or the slide's code. */
export interface LessonProcess {
  readonly name: string;
  readonly command: Command;
  readonly pid: number;
  /** Resolves when the process has ended and all of its output has been read. */
  readonly ended: Promise<ProcessExit>;
  /** Stops the process like the first Ctrl-C, over IPC, which works on every system. */
  stop(): void;
  kill(): void;
}

/** Starts a command, without a shell. Rejects if the system can't start it. */
export async function startProcess(settings: ProcessSettings): Promise<LessonProcess> {
  const { name, command, folder, environment } = settings;
  const { file, args } = programOf(settings);
  const child = spawn(file, args, {
    cwd: folder,
    env: { ...withoutLwtSettings(process.env), ...environment },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    // A Ctrl-C in the terminal goes to lwt-demo only, which then stops the clients before their broker.
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
    ended: endOf(child, readEvents(stdout, pid, settings), lastError(stderr)),
    // A process that is just ending has no channel, and needs no message.
    stop: () =>
      void (child.connected ? child.send("stop", () => {}) : command === SLIDE_CODE && child.kill()),
    kill: () => void child.kill("SIGKILL"),
  };
}

function programOf({ command, args, binDir, python }: ProcessSettings): { file: string; args: string[] } {
  if (command !== SLIDE_CODE)
    return { file: process.execPath, args: [path.join(binDir, `${command}.cjs`), ...args, "--json"] };
  return { file: python ?? "python3", args: [path.join(binDir, "..", "examples", command), ...args] };
}

/** Stops a process, and kills it after the timeout. Resolves to true if the process stopped in time. */
export async function stopOrKill(running: LessonProcess, timeoutMs: number): Promise<boolean> {
  running.stop();
  const hasStopped = await exitsWithin(running, timeoutMs);
  if (!hasStopped) running.kill();
  await running.ended;
  return hasStopped;
}

export async function exitsWithin(running: LessonProcess, timeoutMs: number): Promise<boolean> {
  const timer = new AbortController();
  const timeout = delay(timeoutMs, false, { signal: timer.signal }).catch(() => false);
  const hasEnded = await Promise.race([running.ended.then(() => true), timeout]);
  timer.abort();
  return hasEnded;
}

/** Removes the user's own LWT_ settings, which would change the lesson. */
const withoutLwtSettings = (environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(environment).filter(([key]) => !/^((PUB|SUB)_)?LWT_/i.test(key)));

async function readEvents(stdout: Readable, pid: number, settings: ProcessSettings): Promise<void> {
  const { name, onStart, onEvent, onOutputEnd } = settings;
  await onStart?.(pid);
  // Only commands of this package run here, so that each line is an event of events.ts.
  for await (const line of splitLines(stdout))
    await onEvent?.({ ...(JSON.parse(line.toString()) as ProcessEvent), process: name });
  await onOutputEnd?.();
}

/** Resolves to the last line that is neither an indented hint nor the version with which Node.js signs a crash. */
async function lastError(stderr: Readable): Promise<string | null> {
  let last: string | null = null;
  for await (const line of splitLines(stderr)) {
    const text = line.toString();
    if (/^(?!Node\.js v)\S/.test(text)) last = text;
  }
  return last;
}

async function endOf(
  child: ChildProcess,
  eventsRead: Promise<void>,
  error: Promise<string | null>,
): Promise<ProcessExit> {
  const exited = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  await eventsRead.catch((cause: unknown) => {
    child.kill("SIGKILL");
    throw cause;
  });
  const [code, signal] = await exited;
  return { code, signal, error: await error };
}
