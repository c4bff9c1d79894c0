import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { missing } from "../processes.js";
import { ends, line, median, publish } from "./broker.js";
import { type BenchBroker, startLwtBroker, startStores } from "./brokers.js";

export const about = "what keeping messages on disk costs, beside memory, stock aedes and Mosquitto";

const ROUNDS = 3;
const MESSAGES = 50_000;
/** Queued when the broker starts again. */
const STORED = 100_000;
const PEERS = ["mosquitto", "mosquitto_pub", "mosquitto_sub"];
const TOPIC = "bench/store";

const session = (port: number) => ["-p", String(port), "-i", "Stored", "-c", "-q", "1", "-t", TOPIC];
const publishAll = (port: number, lines: string) => publish(port, 1, lines, TOPIC);

/** Milliseconds that each takes, in this order. */
const jobs: Record<string, (broker: BenchBroker, lines: string) => Promise<void>> = {
  "to a stored session, 20 in flight": async ({ port }, lines) => {
    const receiving = ends("mosquitto_sub", [...session(port), "-C", String(MESSAGES)]);
    await publishAll(port, lines);
    await receiving;
  },
  "into an absent session": ({ port }, lines) => publishAll(port, lines),
  "... and drained": ({ port }) => ends("mosquitto_sub", [...session(port), "-C", String(MESSAGES)]),
};

export async function run(rounds = ROUNDS): Promise<string> {
  const absent = PEERS.filter(program => missing(program, ["-h"]));
  if (absent.length > 0) return `${absent.join(" and ")} not installed: there is nothing to measure with`;
  const folder = mkdtempSync(path.join(tmpdir(), "lwt-bench-"));
  const lines = path.join(folder, "lines");
  writeFileSync(lines, Array.from({ length: MESSAGES }, (_, i) => `${line(i)}\n`).join(""));
  try {
    return [
      await compare(await startStores(absent, folder), lines, rounds),
      await startUp(folder, lines),
    ].join("\n");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function compare(brokers: BenchBroker[], lines: string, rounds: number): Promise<string> {
  const times = new Map<string, number[]>();
  try {
    for (const { port } of brokers) await ends("mosquitto_sub", [...session(port), "-E"]);
    for (let round = 0; round < rounds; round++)
      for (const [name, job] of Object.entries(jobs))
        for (const broker of brokers) {
          const since = performance.now();
          await job(broker, lines);
          const key = `${name} ${broker.name}`;
          times.set(key, [...(times.get(key) ?? []), performance.now() - since]);
        }
  } finally {
    await Promise.all(brokers.map(broker => broker.stop()));
  }
  return table(brokers, times, rounds);
}

/** How long it takes to listen with so many queued. */
async function startUp(folder: string, lines: string): Promise<string> {
  const data = ["--data", path.join(folder, "start-up"), "--sync", "write"];
  const first = await startLwtBroker("lwt-broker", ...data);
  await ends("mosquitto_sub", [...session(first.port), "-E"]);
  for (let sent = 0; sent < STORED; sent += MESSAGES) await publishAll(first.port, lines);
  await first.stop();
  const since = performance.now();
  const second = await startLwtBroker("lwt-broker", ...data);
  const milliseconds = performance.now() - since;
  await second.stop();
  return `start of the process to listening, with ${STORED / 1000} k queued: ${milliseconds.toFixed(0)} ms`;
}

/** Each broker's milliseconds, and how many times as long as in memory that is. */
function table(brokers: BenchBroker[], times: Map<string, number[]>, rounds: number): string {
  const rows = Object.keys(jobs).map(name => {
    const medians = brokers.map(broker => median(times.get(`${name} ${broker.name}`) ?? []));
    const cells = medians.map(ms =>
      `${ms.toFixed(0)} (${(ms / (medians[0] ?? Number.NaN)).toFixed(2)})`.padStart(18),
    );
    return `${name.padEnd(36)}${cells.join("")}`;
  });
  const head = `${"milliseconds (times those in memory)".padEnd(36)}${brokers.map(({ name }) => name.padStart(18)).join("")}`;
  return [
    `Node ${process.versions.node}, ${MESSAGES / 1000} k messages, medians of ${rounds} rounds`,
    head,
    ...rows,
  ].join("\n");
}
