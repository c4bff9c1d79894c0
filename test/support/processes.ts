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

/** Milliseconds after which something awaited is missing: only failures wait so long, and slow machines pass. */
const DEADLINE = 120_000;

const certificates = supportFile("certificates");
/** What ends a process that its test leaves running; SIGKILL would take its coverage with it. */
const LAST_SIGNAL = process.env["NODE_V8_COVERAGE"] ? "SIGTERM" : "SIGKILL";
/** Milliseconds for it to end in. */
const PATIENCE = 5_000;

/** The environment without anything that a developer may have set for the commands. */
function cleanEnvironment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(LWT|PUB_LWT|SUB_LWT)_|^(NO|FORCE)_COLOR$/.test(name),
  );
  return { ...Object.fromEntries(kept), ...more };
}

/** A test; or whatever says when what was started for it is to end. */
export type Owner = Pick<TestContext, "after">;

/** Where no test is one: ends what was started for it, the last first. */
export async function withOwner<Result>(work: (t: Owner) => Promise<Result>): Promise<Result> {
  const ends: (() => unknown)[] = [];
  try {
    return await work({ after: end => void (end && ends.unshift(end as () => unknown)) });
  } finally {
    // oxlint-disable-next-line no-await-in-loop -- a broker's folder goes after the broker
    for (const end of ends) await end();
  }
}

/** A folder that goes with the test. */
export function temporaryFolder(t: Owner): string {
  const folder = mkdtempSync(path.join(tmpdir(), "lwt-test-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Those that stand in a command's output, a line each. */
const eventsIn = (output: string): Timed<Event>[] =>
  output
    .split("\n")
    .slice(0, -1)
    .map(line => JSON.parse(line) as Timed<Event>);

/** A process whose output can be waited for; it ends with the test. */
export class Running {
  stdout = "";
  stderr = "";
  /** Of stdout, as they came. */
  readonly bytes: Buffer[] = [];
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  #events: Timed<Event>[] = [];
  /** Characters of stdout that the events so far have come from. */
  #parsed = 0;
  #isOver = false;
  #changed = new Set<() => void>();

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
      this.#isOver = true;
      for (const tell of this.#changed) tell();
      return { code: code as number | null, signal: signal as NodeJS.Signals | null };
    });
    t.after(async () => {
      if (!this.#isOver) child.kill(LAST_SIGNAL);
      const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
      await this.ended;
      clearTimeout(timer);
    });
  }

  #grow(stream: "stdout" | "stderr", text: string): void {
    this[stream] += text;
    for (const tell of this.#changed) tell();
  }

  /** What `find` gives, as soon as it gives something. */
  async waitFor<Found>(what: string, find: () => Found | undefined): Promise<Found> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        this.#changed.delete(look);
        settle();
      };
      const missing = (why: string) =>
        finish(() => reject(new Error(`${what}: ${why}\nstdout: ${this.stdout}\nstderr: ${this.stderr}`)));
      const look = () => {
        const found = find();
        if (found !== undefined) finish(() => resolve(found));
        else if (this.#isOver) missing("the process ended without it");
      };
      const timer = setTimeout(() => missing(`not within ${DEADLINE} ms`), DEADLINE);
      this.#changed.add(look);
      look();
    });
  }

  outputHas(text: string | RegExp): Promise<true> {
    const has = (all: string) => (typeof text === "string" ? all.includes(text) : text.test(all));
    return this.waitFor(`output ${text}`, () => has(this.stdout + this.stderr) || undefined);
  }

  /** The exit code, or the name of the signal that ended it. */
  async exit(): Promise<number | string> {
    await this.waitFor("exit", () => (this.#isOver ? true : undefined));
    const { code, signal } = await this.ended;
    return signal ?? code ?? -1;
  }

  /** The events so far, of a command with --json. */
  get events(): Timed<Event>[] {
    const end = this.stdout.lastIndexOf("\n") + 1;
    this.#events.push(...eventsIn(this.stdout.slice(this.#parsed, end)));
    this.#parsed = end;
    return [...this.#events];
  }

  all<Name extends Event["event"]>(name: Name): Extract<Timed<Event>, { event: Name }>[] {
    return this.events.filter(event => event.event === name) as Extract<Timed<Event>, { event: Name }>[];
  }

  /** The first event of that name whose fields have these values. */
  event<Name extends Event["event"]>(
    name: Name,
    where: object = {},
  ): Promise<Extract<Timed<Event>, { event: Name }>> {
    const matches = (event: object) =>
      Object.entries(where).every(([field, value]) => event[field as keyof typeof event] === value);
    return this.waitFor(`${name} ${JSON.stringify(where)}`, () => this.all(name).find(matches));
  }
}

interface How {
  env?: Record<string, string>;
  cwd?: string;
  input?: string | Buffer;
  /** Node's own arguments. */
  node?: string[];
}

/** One of the four commands; with --json unless told otherwise. */
export function command(t: Owner, name: string, args: string[], how: How & { json?: boolean } = {}): Running {
  const json = how.json === false ? [] : ["--json"];
  const all = [...(how.node ?? []), path.join(binDir, `${name}.cjs`), ...args, ...json];
  const cwd = how.cwd ?? temporaryFolder(t);
  const child = spawn(process.execPath, all, {
    cwd,
    // What the commands keep from run to run is kept beside the test.
    env: cleanEnvironment({ XDG_STATE_HOME: cwd, LOCALAPPDATA: cwd, HOME: cwd, ...how.env }),
    stdio: ["pipe", "pipe", "pipe", "ipc"],
  });
  child.stdin?.on("error", () => {});
  if (how.input !== undefined) child.stdin?.end(how.input);
  return new Running(t, child);
}

/** A run of a command that ends by itself, and what became of it. */
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

/** What becomes of these, run one after another in one process. For what ends without anyone's doing. */
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

/** A peer, such as mosquitto_sub; null where it isn't installed. */
export function peer(t: Owner, name: string, args: string[], env: Record<string, string> = {}): Running {
  return new Running(
    t,
    spawn(name, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } }),
  );
}

/** For `env`: connections to `host:port` go to a port of this machine, or fail with a system error. */
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

/** Mosquitto on free ports; as it comes it drops what a session has queued beyond 1000 messages. */
export async function mosquitto(t: Owner): Promise<Mosquitto> {
  const [port, tlsPort, wsPort] = await Promise.all([freePort(), freePort(), freePort()]);
  const folder = temporaryFolder(t);
  const file = path.join(folder, "mosquitto.conf");
  // It gives up root's rights before it reads its key, so that the key has to be anyone's to read.
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

/** Why a peer is missing, for `skip`; with LWT_REQUIRE_PEERS set, a missing one fails instead. */
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

/** Of a peer that is missing; the words for `skip`, where it may be. */
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
