import { type ChildProcess, spawn, type StdioOptions } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { environment } from "./contest.js";
import { cpuOf, residentOf } from "./proc.js";
import { binDir } from "../support/paths.js";

export interface Sample {
  /** Milliseconds since it was started. */
  at: number;
  /** Of processor time so far, in milliseconds. */
  cpu: number;
  /** Resident, in MB. */
  memory: number;
}

/** A process that is looked at while it runs. */
export interface Measured {
  child: ChildProcess;
  samples: Sample[];
  /** Kept with the milliseconds that it ran; fails where it failed. */
  ended: Promise<number>;
}

const POLL = 20;
/** Milliseconds after which it is killed. */
const TIMEOUT_MS = 600_000;

/** One of the commands here. */
export const ours = (name: string): [program: string, ...args: string[]] => [
  process.execPath,
  path.join(binDir, `${name}.cjs`),
];

export function startMeasured([program = "", ...args]: string[], stdio: StdioOptions): Measured {
  const since = performance.now();
  const child = spawn(program, args, {
    env: environment,
    cwd: import.meta.dirname, // where no .env is
    stdio,
    timeout: TIMEOUT_MS,
  });
  const samples: Sample[] = [];
  const polling = setInterval(() => look(child.pid ?? 0, since, samples), POLL);
  const ended = once(child, "exit").then(([code]) => {
    clearInterval(polling);
    if (code !== 0) throw new Error(`exit code ${code}, of: ${program} ${args.join(" ")}`);
    return performance.now() - since;
  });
  ended.catch(() => {}); // told to whoever waits for it
  return { child, samples, ended };
}

/** Looks at a process that somebody else has started, until it is told to stop. */
export function watch(pid: number): { samples: Sample[]; stop(): void } {
  const since = performance.now();
  const samples: Sample[] = [];
  const polling = setInterval(() => look(pid, since, samples), POLL);
  return { samples, stop: () => clearInterval(polling) };
}

function look(pid: number, since: number, samples: Sample[]): void {
  const memory = residentOf(pid);
  if (!Number.isNaN(memory)) samples.push({ at: performance.now() - since, cpu: cpuOf(pid), memory });
}

/** The most memory in that part of the time, in MB: from and to are shares. */
export function mostIn(samples: Sample[], from: number, to: number): number {
  const whole = samples.at(-1)?.at ?? 0;
  const within = samples.filter(({ at }) => at >= from * whole && at <= to * whole);
  return Math.max(...within.map(({ memory }) => memory));
}
