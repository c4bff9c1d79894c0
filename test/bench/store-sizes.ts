import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { ends, median } from "./broker.js";
import { type BenchBroker, startKeepingMosquitto, startLwtBroker } from "./brokers.js";
import { Pinger, type Stall } from "./pinger.js";
import { progress } from "./progress.js";
import { WindowedPublisher } from "./windowed-publisher.js";

/** Queued when a broker starts again. */
const QUEUED = 100_000;
const QUEUED_LONG = 1_000_000;
/** Of these, three of four are drained, and the files tidied up then: fewer would not be worth tidying. */
const TO_TIDY = 300_000;
const STARTS = 5;
const IN_FLIGHT = 1000;
const UNLIMITED = ["--max-queued", "10000000"];
/** Milliseconds in which a folder does not grow or shrink when nothing is left to tidy. */
const QUIET = 1000;

/** Start-up, memory, disk use and stalls. @param isLong with a million queued too */
export async function measureSizes(folder: string, isLong: boolean): Promise<string[]> {
  return [
    ...(await startUps(folder, isLong ? [QUEUED, QUEUED_LONG] : [QUEUED])),
    "",
    ...(await stalls(folder, isLong ? QUEUED_LONG : TO_TIDY)),
  ];
}

type Start = (folder: string) => Promise<BenchBroker>;

const starts: Record<string, Start> = {
  "lwt-broker": folder => startLwtBroker("lwt-broker", "--data", folder, ...UNLIMITED),
  Mosquitto: startKeepingMosquitto,
};

async function startUps(folder: string, sizes: number[]): Promise<string[]> {
  const lines = [`start of the process to listening, medians of ${STARTS}; PINGREQ in the second after it`];
  lines.push(startLine("queued", "", "ms", "MB memory", "MB on disk", "longest ping"));
  for (const queued of sizes)
    for (const [name, start] of Object.entries(starts))
      lines.push(await startUp(name, queued, start, emptyFolder(folder, `${name}-${queued}`)));
  lines.push("to reach at 1000 k: 2500 ms, 700 MB; no stall over 50 ms");
  return lines;
}

async function startUp(name: string, queued: number, start: Start, folder: string): Promise<string> {
  progress(`${name}: queueing ${queued}`);
  const first = await start(folder);
  await subscribes(first, "Stored", "bench/stored");
  await WindowedPublisher.publish(first.port, ["bench/stored"], queued, IN_FLIGHT);
  await first.stop();
  const times: number[] = [];
  const memory: number[] = [];
  const pings: number[] = [];
  for (let i = 1; i <= STARTS; i++) {
    const since = performance.now();
    const broker = await start(folder);
    times.push(performance.now() - since);
    const pinger = await Pinger.start(broker.port);
    pings.push((await pinger.during(() => setTimeout(1000))).broker);
    pinger.stop();
    memory.push(megabytesOf(broker));
    await broker.stop();
    progress(`${name}, ${queued} queued: start ${i} of ${STARTS} took ${times.at(-1)?.toFixed(0)} ms`);
  }
  const disk = (bytesIn(folder) / 1e6).toFixed(1);
  const ping = `${Math.max(...pings).toFixed(0)} ms`;
  return startLine(
    `${queued / 1000} k`,
    name,
    median(times).toFixed(0),
    median(memory).toFixed(0),
    disk,
    ping,
  );
}

/** How long a broker says nothing while a queue is drained, and its files are tidied up behind it. */
async function stalls(folder: string, queued: number): Promise<string[]> {
  const data = (sync: string) => ["--data", emptyFolder(folder, `stalls-${sync}`), "--sync", sync];
  const lines = [
    `longest PINGREQ round trip, ${(queued * 3) / 4000} k of ${queued / 1000} k drained; (the pinger's own delay)`,
    stallLine("", "while draining", "then tidying", "MB on disk"),
  ];
  for (const [name, more] of Object.entries({ memory: [], write: data("write"), disk: data("disk") })) {
    progress(`stalls, ${name}: queueing ${queued}`);
    const broker = await startLwtBroker(name, ...more, ...UNLIMITED);
    try {
      lines.push(await stall(broker, queued, more[1] ?? null));
    } finally {
      await broker.stop();
    }
  }
  return lines;
}

async function stall(broker: BenchBroker, queued: number, folder: string | null): Promise<string> {
  const { name, port } = broker;
  await subscribes(broker, "Stays", "bench/stays");
  await subscribes(broker, "Goes", "bench/goes");
  const topics = ["bench/stays", "bench/goes", "bench/goes", "bench/goes"];
  await WindowedPublisher.publish(port, topics, queued, IN_FLIGHT);
  const before = folder === null ? 0 : bytesIn(folder);
  const pinger = await Pinger.start(port);
  progress(`stalls, ${name}: draining`);
  const args = ["-p", String(port), "-i", "Goes", "-c", "-q", "1", "-t", "bench/goes"];
  const draining = await pinger.during(() =>
    ends("mosquitto_sub", [...args, "-C", String((queued * 3) / 4)], undefined, 300_000),
  );
  const tidying = folder === null ? null : await pinger.during(() => isQuiet(folder));
  pinger.stop();
  const disk = folder === null ? "" : `${(before / 1e6).toFixed(0)} -> ${(bytesIn(folder) / 1e6).toFixed(0)}`;
  return stallLine(name, stallText(draining), tidying ? stallText(tidying) : "", disk);
}

const stallText = ({ broker, own }: Stall) => `${broker.toFixed(0)} ms (${own.toFixed(0)})`;

async function isQuiet(folder: string): Promise<void> {
  for (let before = -1, now = bytesIn(folder); now !== before; now = bytesIn(folder)) {
    before = now;
    await setTimeout(QUIET);
  }
}

const subscribes = ({ port }: BenchBroker, clientId: string, topic: string) =>
  ends("mosquitto_sub", ["-p", String(port), "-i", clientId, "-c", "-q", "1", "-t", topic, "-E"]);

function emptyFolder(parent: string, name: string): string {
  const folder = path.join(parent, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  return folder;
}

/** Files may go while they are counted. */
const bytesIn = (folder: string): number =>
  readdirSync(folder).reduce(
    (sum, file) => sum + (statSync(path.join(folder, file), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );

const megabytesOf = ({ pid }: BenchBroker): number =>
  Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" })) / 1000;

const startLine = (queued: string, name: string, ms: string, memory: string, disk: string, ping: string) =>
  `${queued.padEnd(8)}${name.padEnd(14)}${ms.padStart(8)}${memory.padStart(12)}${disk.padStart(12)}${ping.padStart(15)}`.trimEnd();

const stallLine = (name: string, draining: string, tidying: string, disk: string) =>
  `${name.padEnd(16)}${draining.padStart(18)}${tidying.padStart(18)}${disk.padStart(14)}`.trimEnd();
