import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { StringDecoder } from "node:string_decoder";
import type { TestContext } from "node:test";
import type { Event, Timed } from "../../src/events/events.js";
import { binDir, supportFile } from "./paths.js";

/** Only failures wait so long, and slow machines pass. */
const WAIT_TIMEOUT_MS = 120_000;

const certificates = supportFile("certificates");
/** Ends a process that its test leaves running. SIGKILL would lose its coverage. */
const LAST_SIGNAL = process.env["NODE_V8_COVERAGE"] ? "SIGTERM" : "SIGKILL";
const KILL_TIMEOUT_MS = 5_000;

/** Returns the environment without the variables that a developer may have set for the commands. */
function cleanEnvironment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(LWT|PUB_LWT|SUB_LWT)_|^(NO|FORCE)_COLOR$/.test(name),
  );
  return { ...Object.fromEntries(kept), ...more };
}

/** A test, or another scope whose end ends the processes started in it. */
export type Owner = Pick<TestContext, "after">;

/** Runs work outside a test, and then its cleanups, the last first. */
export async function withOwner<Result>(work: (t: Owner) => Promise<Result>): Promise<Result> {
  const ends: (() => unknown)[] = [];
  try {
    return await work({ after: end => void (end && ends.unshift(end as () => unknown)) });
  } finally {
    // oxlint-disable-next-line no-await-in-loop -- a broker ends before its folder is removed
    for (const end of ends) await end();
  }
}

/** Creates a folder, and removes it after the test. */
export function temporaryFolder(t: Owner): string {
  const folder = mkdtempSync(path.join(tmpdir(), "lwt-test-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Parses a command's output, one event a line. */
const eventsIn = (output: string): Timed<Event>[] =>
  output
    .split("\n")
    .slice(0, -1)
    .map(line => JSON.parse(line) as Timed<Event>);

/** A process whose output can be waited for. It ends with the test. */
export class Running {
  stdout = "";
  stderr = "";
  /** The chunks of stdout. */
  readonly bytes: Buffer[] = [];
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  #events: Timed<Event>[] = [];
  /** Characters of stdout that are parsed. */
  #parsed = 0;
  #hasEnded = false;
  #checks = new Set<() => void>();

  constructor(
    t: Owner,
    readonly child: ChildProcess,
  ) {
    for (const stream of ["stdout", "stderr"] as const) {
      const decoder = new StringDecoder("utf8");
      child[stream]?.on("data", (bytes: Buffer) => {
        if (stream === "stdout") this.bytes.push(bytes);
        this.#grow(stream, decoder.write(bytes));
      });
    }
    // Not "close": that never comes after child.disconnect().
    const streams = [child.stdout, child.stderr].map(stream => stream && once(stream, "close"));
    this.ended = Promise.all([once(child, "exit"), ...streams]).then(([[code, signal]]) => {
      this.#hasEnded = true;
      for (const check of this.#checks) check();
      return { code: code as number | null, signal: signal as NodeJS.Signals | null };
    });
    t.after(async () => {
      if (!this.#hasEnded) child.kill(LAST_SIGNAL);
      const timer = setTimeout(() => child.kill("SIGKILL"), KILL_TIMEOUT_MS);
      await this.ended;
      clearTimeout(timer);
    });
  }

  #grow(stream: "stdout" | "stderr", text: string): void {
    this[stream] += text;
    for (const check of this.#checks) check();
  }

  /** Resolves with the first result of `find` that is not undefined. */
  async waitFor<Found>(what: string, find: () => Found | undefined): Promise<Found> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        this.#checks.delete(look);
        settle();
      };
      const missing = (why: string) =>
        finish(() => reject(new Error(`${what}: ${why}\nstdout: ${this.stdout}\nstderr: ${this.stderr}`)));
      const look = () => {
        const found = find();
        if (found !== undefined) finish(() => resolve(found));
        else if (this.#hasEnded) missing("the process ended without it");
      };
      const timer = setTimeout(() => missing(`not within ${WAIT_TIMEOUT_MS} ms`), WAIT_TIMEOUT_MS);
      this.#checks.add(look);
      look();
    });
  }

  outputHas(text: string | RegExp): Promise<true> {
    const has = (all: string) => (typeof text === "string" ? all.includes(text) : text.test(all));
    return this.waitFor(`output ${text}`, () => has(this.stdout + this.stderr) || undefined);
  }

  /** Resolves with the exit code, or with the signal that ended the process. */
  async exit(): Promise<number | string> {
    await this.waitFor("exit", () => (this.#hasEnded ? true : undefined));
    const { code, signal } = await this.ended;
    return signal ?? code ?? -1;
  }

  /** The events so far of a command with --json. */
  get events(): Timed<Event>[] {
    const end = this.stdout.lastIndexOf("\n") + 1;
    this.#events.push(...eventsIn(this.stdout.slice(this.#parsed, end)));
    this.#parsed = end;
    return [...this.#events];
  }

  all<Name extends Event["event"]>(name: Name): Extract<Timed<Event>, { event: Name }>[] {
    return this.events.filter(event => event.event === name) as Extract<Timed<Event>, { event: Name }>[];
  }

  /** Resolves with the first event of that name whose fields have these values. */
  event<Name extends Event["event"]>(
    name: Name,
    where: object = {},
  ): Promise<Extract<Timed<Event>, { event: Name }>> {
    const matches = (event: object) =>
      Object.entries(where).every(([field, value]) => event[field as keyof typeof event] === value);
    return this.waitFor(`${name} ${JSON.stringify(where)}`, () => this.all(name).find(matches));
  }
}

interface CommandOptions {
  env?: Record<string, string>;
  cwd?: string;
  input?: string | Buffer;
  /** Node's own arguments. */
  node?: string[];
}

/** Starts one of the four commands, with --json by default. */
export function command(
  t: Owner,
  name: string,
  args: string[],
  how: CommandOptions & { json?: boolean } = {},
): Running {
  const json = how.json === false ? [] : ["--json"];
  const all = [...(how.node ?? []), path.join(binDir, `${name}.cjs`), ...args, ...json];
  const cwd = how.cwd ?? temporaryFolder(t);
  const child = spawn(process.execPath, all, {
    cwd,
    // The commands store their state beside the test.
    env: cleanEnvironment({ XDG_STATE_HOME: cwd, LOCALAPPDATA: cwd, HOME: cwd, ...how.env }),
    stdio: ["pipe", "pipe", "pipe", "ipc"],
  });
  child.stdin?.on("error", () => {});
  if (how.input !== undefined) child.stdin?.end(how.input);
  return new Running(t, child);
}

/** A run of a command that ends by itself. */
export interface Run {
  name: string;
  args: string[];
  env?: Record<string, string>;
  cwd?: string;
}
export interface Ended {
  exit: number;
  stdout: string;
  stderr: string;
  /** With --json among its arguments. */
  events: () => Timed<Event>[];
}

const inOneProcess = supportFile("in-one-process.cjs");

/** Runs commands that end by themselves, one after another in one process. */
export async function ends(
  t: Owner,
  runs: Run[],
  start = (file: string, env: Record<string, string>): Running =>
    new Running(t, spawn(process.execPath, [file], { env: cleanEnvironment(env), stdio: "pipe" })),
): Promise<Ended[]> {
  const folder = temporaryFolder(t);
  const given = runs.map(run => ({ cwd: folder, ...run }));
  const state = { XDG_STATE_HOME: folder, LOCALAPPDATA: folder, HOME: folder };
  const all = start(inOneProcess, { ...state, RUNS: JSON.stringify(given) });
  assert.equal(await all.exit(), 0, all.stderr);
  const ended = JSON.parse(all.stdout) as Omit<Ended, "events">[];
  return ended.map(each => ({ ...each, events: () => eventsIn(each.stdout) }));
}

/** Starts a peer, such as mosquitto_sub. */
export function peer(t: Owner, name: string, args: string[], env: Record<string, string> = {}): Running {
  return new Running(
    t,
    spawn(name, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } }),
  );
}

/** Returns an `env` in which connections to `host:port` go to a local port, or fail with a system error. */
export const rerouted = (routes: Record<string, string | number>) => ({
  NODE_OPTIONS: `--require=${JSON.stringify(supportFile("reroute.cjs"))}`,
  REROUTE: JSON.stringify(routes),
});

export interface TestBroker {
  url: string;
  port: number;
  process: Running;
}

export async function lwtBroker(t: Owner, ...args: string[]): Promise<TestBroker> {
  const process = command(t, "lwt-broker", ["--port", "0", ...args]);
  const { url } = await process.event("listening");
  return { url, port: Number(new URL(url).port), process };
}

export interface Mosquitto extends TestBroker {
  tlsPort: number;
  wsPort: number;
}

/** Starts Mosquitto on free ports. By default it drops what a session queues beyond 1000 messages. */
export async function mosquitto(t: Owner): Promise<Mosquitto> {
  const [port, tlsPort, wsPort] = await Promise.all([freePort(), freePort(), freePort()]);
  const folder = temporaryFolder(t);
  const file = path.join(folder, "mosquitto.conf");
  // Mosquitto drops root's rights before it reads its key, so everybody must be able to read the key.
  for (const name of ["server", "key"])
    copyFileSync(path.join(certificates, `${name}.pem`), path.join(folder, name));
  chmodSync(folder, 0o755);
  chmodSync(path.join(folder, "key"), 0o644);
  const lines = [
    "allow_anonymous true",
    "persistence false",
    "max_queued_messages 0",
    "sys_interval 1",
    `listener ${port} 127.0.0.1`,
    `listener ${tlsPort} 127.0.0.1`,
    `certfile ${path.join(folder, "server")}`,
    `keyfile ${path.join(folder, "key")}`,
    `listener ${wsPort} 127.0.0.1`,
    "protocol websockets",
  ];
  writeFileSync(file, lines.join("\n"));
  const process = peer(t, "mosquitto", ["-c", file, "-v"]);
  await process.outputHas("running");
  return { url: `mqtt://127.0.0.1:${port}`, port, tlsPort, wsPort, process };
}

/** The course's scripts are for paho 1.x; version 2 refuses their first line. */
export const PYTHON = process.platform === "linux" ? "/usr/bin/python3" : "python3";
export const noPaho = missing(PYTHON, ["-c", "import paho.mqtt as p; assert p.__version__.startswith('1.')"]);

/** Returns the reason for `skip` if a peer is missing. With LWT_REQUIRE_PEERS set, a missing peer is an error. */
export function missing(program: string, args: string[]): string | false {
  try {
    execFileSync(program, args, { stdio: "ignore" });
    return false;
  } catch (error) {
    // mosquitto's -h exits with 3 or 1; only a program that isn't there is missing.
    const absent = (error as NodeJS.ErrnoException).code === "ENOENT" || program.includes("python");
    if (!absent) return false;
    return required([program, ...args].join(" "), error);
  }
}

/** Returns the reason for `skip`, or throws with LWT_REQUIRE_PEERS set. */
export function required(peer: string, cause?: unknown): string {
  if (process.env["LWT_REQUIRE_PEERS"]) throw new Error(`${peer} is required here`, { cause });
  return `${peer} is not installed`;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
