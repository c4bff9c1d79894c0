import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Readable } from "node:stream";
import { setTimeout } from "node:timers/promises";
import { freePort } from "../support/processes.js";
import { environment } from "./contest.js";
import { rawConnection } from "./raw-connection.js";
import { binDir } from "../support/paths.js";

export interface BenchBroker {
  name: string;
  port: number;
  pid: number;
  stop(): Promise<void>;
}

/** One whose log somebody reads. */
export interface LoggingBroker extends BenchBroker {
  /** Null where it goes into a file. */
  log: Readable | null;
}

/** Milliseconds that a broker may take to listen. */
const TIMEOUT_MS = 60_000;
const POLL = 20;

/** Without no-delay, Mosquitto's own delays are what is measured. Logs each connection no more than it must. */
const CONFIGURATION = "set_tcp_nodelay true\nallow_anonymous true\nlog_type information\n";
/** As it comes, it sends 20 messages at once, and drops what is queued past 1000. */
const UNLIMITED = "max_inflight_messages 1000\nmax_queued_messages 0\n";

/** Each on a free port of this machine. */
export async function startBrokers(absent: string[]): Promise<BenchBroker[]> {
  const mosquitto = absent.includes("mosquitto") ? [] : [await startMosquitto()];
  return [...mosquitto, await startLwtBroker()];
}

/** Mosquitto with 1000 in flight and an endless queue, lwt-broker with its log on, and aedes as it comes. */
export const startContestants = (absent: string[]): Promise<BenchBroker[]> =>
  Promise.all([
    startStockAedes(),
    startLwtBroker(),
    ...(absent.includes("mosquitto") ? [] : [startMosquitto(UNLIMITED)]),
  ]);

/** The same without aedes. */
export const startUnlimited = (): Promise<BenchBroker[]> =>
  Promise.all([startMosquitto(UNLIMITED), startLwtBroker()]);

/** In memory, on disk in both ways, aedes as it comes, and Mosquitto with its database. @param folder for what they keep */
export const startStores = (folder: string): Promise<BenchBroker[]> =>
  Promise.all([
    startLwtBroker("memory"),
    startLwtBroker("write", "--data", path.join(folder, "write"), "--sync", "write"),
    startLwtBroker("disk", "--data", path.join(folder, "disk")),
    startStockAedes(),
    startKeepingMosquitto(folder),
  ]);

/** With 1000 in flight, an endless queue, and a database. @param folder for that */
export const startKeepingMosquitto = (folder: string): Promise<BenchBroker> =>
  startMosquitto(UNLIMITED + kept(folder));

/** Saves every half an hour, and at its end. */
const kept = (folder: string) => `persistence true\npersistence_location ${folder}/\nuser root\n`;

async function startStockAedes(): Promise<BenchBroker> {
  const port = await freePort();
  const args = ["--input-type=module", "-e", STOCK_AEDES, String(port)];
  const child = spawn(process.execPath, args, { env: environment, stdio: ["ignore", "pipe", "pipe"] });
  return started("stock aedes", port, child, "listening\n");
}

export const STOCK_AEDES = `
import { createServer } from "node:net";
import { Aedes } from "aedes";
const { handle } = await Aedes.createBroker();
createServer({ noDelay: true }, handle).listen(+process.argv[1], "127.0.0.1", () => console.log("listening"));`;

async function startMosquitto(more = "", name = "Mosquitto"): Promise<BenchBroker> {
  const port = await freePort();
  const folder = mkdtempSync(path.join(tmpdir(), "lwt-bench-"));
  const file = path.join(folder, "mosquitto.conf");
  writeFileSync(file, `listener ${port} 127.0.0.1\n${CONFIGURATION}${more}`);
  const child = spawn("mosquitto", ["-c", file], { stdio: ["ignore", "pipe", "pipe"] });
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  return started(name, port, child, "running").finally(removeFolder);
}

export async function startLwtBroker(name = "lwt-broker", ...more: string[]): Promise<BenchBroker> {
  const port = await freePort();
  const args = [path.join(binDir, "lwt-broker.cjs"), "--port", String(port), "--json", ...more];
  const child = spawn(process.execPath, args, { env: environment, stdio: ["ignore", "pipe", "pipe"] });
  return started(name, port, child, '"listening"');
}

/** lwt-broker, whose log nobody reads yet. @param how where that goes, and Node's own arguments */
export async function startLogging(
  name: string,
  args: string[],
  { stdout = "pipe", node = [] }: { stdout?: "pipe" | number; node?: string[] } = {},
): Promise<LoggingBroker> {
  const port = await freePort();
  const all = [...node, path.join(binDir, "lwt-broker.cjs"), "--port", String(port), ...args];
  const child = spawn(process.execPath, all, { env: environment, stdio: ["ignore", stdout, "ignore"] });
  const ended = once(child, "exit");
  const kill = () => child.kill();
  process.once("exit", kill);
  await takesConnections(port);
  const stop = async () => {
    process.off("exit", kill);
    kill();
    child.stdout?.resume();
    await ended;
  };
  return { name, port, pid: child.pid ?? 0, stop, log: child.stdout };
}

/** Kept when that stands in the log, which is read on. */
export const logSays = ({ log }: LoggingBroker, text: string): Promise<void> =>
  new Promise(resolve => {
    let all = "";
    const look = (bytes: Buffer) => {
      all += bytes.toString();
      if (!all.includes(text)) return;
      log?.off("data", look).resume();
      resolve();
    };
    log?.on("data", look);
  });

/** With --quiet it does not say when it listens. */
async function takesConnections(port: number): Promise<void> {
  const until = performance.now() + TIMEOUT_MS;
  while (performance.now() < until) {
    const socket = rawConnection(port, "Knock");
    const answer = await once(socket, "data").catch(() => null);
    socket.destroy();
    if (answer) return;
    await setTimeout(POLL);
  }
  throw new Error(`nobody listens on port ${port}`);
}

async function started(name: string, port: number, child: ChildProcess, sign: string): Promise<BenchBroker> {
  const ended = once(child, "exit");
  const kill = () => child.kill();
  process.once("exit", kill); // also when the benchmark fails
  const stop = async () => {
    process.off("exit", kill);
    kill();
    await ended;
  };
  const listening = new Promise<"listening">(resolve => {
    let all = "";
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", text => (all += text).includes(sign) && resolve("listening"));
  });
  const first = await Promise.race([listening, ended, setTimeout(TIMEOUT_MS, undefined, { ref: false })]);
  for (const stream of [child.stdout, child.stderr]) stream?.removeAllListeners("data").resume();
  if (first === "listening") return { name, port, pid: child.pid ?? 0, stop };
  await stop();
  throw new Error(`${name} did not begin to listen`);
}
