import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";

/** One of those who are measured beside each other. */
export interface Contestant {
  program: string;
  args: string[];
  /** Measured until stdout says this; then it is stopped. Without it, to the exit. */
  until?: string;
}

/** After it the process is killed, and the contest ends. */
const TIMEOUT_MS = 10_000;

/** Node reads the certificates that one of these names at every start, and options in another change what is measured. */
const UNWANTED = /^(NODE_EXTRA_CA_CERTS|NODE_OPTIONS|NODE_COMPILE_CACHE|FORCE_COLOR|((PUB|SUB)_)?LWT_.*)$/;

/** The environment that everything measured runs in. */
export const environment: NodeJS.ProcessEnv = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !UNWANTED.test(name)),
);

/**
 * The median milliseconds of each. They take turns within a round, so that what else the machine does is shared by
 * all; a first round, which fills the caches, does not count.
 */
export async function contest(contestants: Contestant[], rounds: number): Promise<number[]> {
  const times = contestants.map((): number[] => []);
  for (let round = 0; round <= rounds; round++)
    for (const [i, contestant] of contestants.entries()) times[i]?.push(await milliseconds(contestant));
  return times.map(([, ...counted]) => median(counted));
}

async function milliseconds({ program, args, until }: Contestant): Promise<number> {
  const startedAt = performance.now();
  const child = spawn(program, args, {
    cwd: import.meta.dirname, // where no .env is
    env: environment,
    stdio: ["ignore", until === undefined ? "ignore" : "pipe", "ignore"],
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  const ended = once(child, "exit").then(([code]) => ({ code: Number(code), at: performance.now() }));
  const saidAt = child.stdout && until !== undefined ? await said(child.stdout, until) : null;
  if (saidAt !== null) child.kill();
  const { code, at } = await ended;
  if (code !== 0) throw new Error(`exit code ${code}, of: ${program} ${args.join(" ")}`);
  return (saidAt ?? at) - startedAt;
}

async function said(stdout: Readable, text: string): Promise<number | null> {
  let all = "";
  for await (const chunk of stdout) {
    all += chunk;
    if (all.includes(text)) return performance.now();
  }
  throw new Error(`ended without ${text}: ${all}`);
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2;
}
