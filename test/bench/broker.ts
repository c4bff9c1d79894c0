import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { QoS } from "../../src/events/events.js";
import { missing } from "../support/processes.js";
import { type BenchBroker, startContestants } from "./brokers.js";
import { environment } from "./contest.js";
import { CountingSubscriber } from "./counting-subscriber.js";
import { binDir } from "../support/paths.js";

export const about = "messages a second and time to drain, beside aedes and Mosquitto";

export const limits = `Two fifths of the broker's time is Node's own, for sockets (\`profile\`): what is delivered in one turn of the event loop
leaves in one write. Into an absent session mosquitto_pub keeps 20 messages in flight: in a profile the broker was idle
for more than half of it.`;

/** Medians of fewer tell little. */
const ROUNDS = 5;
/** mosquitto_pub -l loses messages past 65 535 lines in one run. */
const MESSAGES = 50_000;
const FAN_OUT = 50;
const PEERS = ["mosquitto", "mosquitto_pub", "mosquitto_sub"];

/** A 100-byte payload a line. */
export const line = (i: number) => {
  const pad = "x".repeat(100 - JSON.stringify({ seq: i, pad: "" }).length);
  return JSON.stringify({ seq: i, pad });
};

interface Job {
  name: string;
  /** Milliseconds that it took. */
  run(broker: BenchBroker, lines: Lines): Promise<number>;
  /** Of lwt-broker's time, as a ratio to another's. */
  toReach: Record<string, number>;
}

type Lines = { all: string; few: string };

const oneToOne = (qos: QoS): Job => ({
  name: `QoS ${qos}, one to one, ${MESSAGES / 1000} k`,
  toReach: { "stock aedes": 1 / 0.9 },
  run: async ({ port }, { all }) => {
    const subscriber = await CountingSubscriber.start(port, "counting", "bench", qos);
    const since = performance.now();
    await Promise.all([subscriber.reaches(MESSAGES), publish(port, qos, all)]);
    subscriber.end();
    return performance.now() - since;
  },
});

const fanOut: Job = {
  name: `QoS 1, one to ${FAN_OUT}, ${MESSAGES / FAN_OUT / 1000} k`,
  toReach: { "stock aedes": 1 / 0.9 },
  run: async ({ port }, { few }) => {
    const starting = Array.from({ length: FAN_OUT }, (_, i) =>
      CountingSubscriber.start(port, `counting${i}`, "bench", 1),
    );
    const subscribers = await Promise.all(starting);
    const since = performance.now();
    const reached = subscribers.map(subscriber => subscriber.reaches(MESSAGES / FAN_OUT));
    await Promise.all([...reached, publish(port, 1, few)]);
    for (const subscriber of subscribers) subscriber.end();
    return performance.now() - since;
  },
};

const SUBSCRIBER = path.join(binDir, "sub-lwt.cjs");
/** On a topic of its own, or it would store what the other jobs publish. */
const ABSENT = "bench/absent";
const session = (port: number) => ["-p", String(port), "-i", "Absent", "-t", ABSENT, "--quiet"];

const intoAbsent: Job = {
  name: `QoS 1, into an absent session`,
  toReach: { "stock aedes": 1 / 0.9 },
  run: async ({ port }, { all }) => {
    await ends(process.execPath, [SUBSCRIBER, ...session(port), "--subscribe-only"]);
    const since = performance.now();
    await publish(port, 1, all, ABSENT);
    return performance.now() - since;
  },
};

/** The messages that the job before it queued. */
const drain: Job = {
  name: `... and drained by sub-lwt`,
  toReach: { Mosquitto: 1.6 },
  run: async ({ port }) => {
    const since = performance.now();
    await ends(process.execPath, [SUBSCRIBER, ...session(port), "--count", String(MESSAGES)]);
    return performance.now() - since;
  },
};

/** By a client that costs nothing beside the broker. */
const drainFast: Job = {
  name: `QoS 1, drained by mosquitto_sub`,
  toReach: { "stock aedes": 0.5 },
  run: async ({ port }, { all }) => {
    const args = ["-p", String(port), "-i", "Fast", "-c", "-q", "1", "-t", "bench/fast"];
    await ends("mosquitto_sub", [...args, "-E"]);
    await publish(port, 1, all, "bench/fast");
    const since = performance.now();
    await ends("mosquitto_sub", [...args, "-C", String(MESSAGES)]);
    return performance.now() - since;
  },
};

const jobs: Job[] = [oneToOne(0), oneToOne(1), oneToOne(2), fanOut, intoAbsent, drain, drainFast];

export async function publish(port: number, qos: QoS, lines: string, topic = "bench"): Promise<void> {
  await ends("mosquitto_pub", ["-p", String(port), "-t", topic, "-q", String(qos), "-l"], lines);
}

export async function ends(program: string, args: string[], input?: string, timeout = 60_000): Promise<void> {
  const stdin = input === undefined ? "ignore" : openSync(input, "r");
  const child = spawn(program, args, {
    env: environment,
    cwd: import.meta.dirname, // where no .env is
    stdio: [stdin, "ignore", "ignore"],
    timeout,
  });
  const [code] = (await once(child, "exit")) as [number | null];
  if (typeof stdin === "number") closeSync(stdin);
  if (code !== 0) throw new Error(`exit code ${code}, of: ${program} ${args.join(" ")}`);
}

export async function run(rounds = ROUNDS): Promise<string> {
  const absent = PEERS.filter(program => missing(program, ["-h"]));
  if (absent.length > 0) return `${absent.join(" and ")} not installed: there is nothing to measure with`;
  const folder = mkdtempSync(path.join(tmpdir(), "lwt-bench-"));
  const lines = { all: path.join(folder, "all"), few: path.join(folder, "few") };
  const write = (file: string, count: number) =>
    writeFileSync(file, Array.from({ length: count }, (_, i) => `${line(i)}\n`).join(""));
  write(lines.all, MESSAGES);
  write(lines.few, MESSAGES / FAN_OUT);
  const brokers = await startContestants(absent);
  try {
    const times = new Map<string, number[]>();
    for (let round = 0; round < rounds; round++)
      for (const job of jobs)
        for (const broker of brokers) {
          const key = `${job.name} ${broker.name}`;
          times.set(key, [...(times.get(key) ?? []), await job.run(broker, lines)]);
        }
    return table(brokers, times, rounds);
  } finally {
    await Promise.all(brokers.map(broker => broker.stop()));
    rmSync(folder, { recursive: true, force: true });
  }
}

function table(brokers: BenchBroker[], times: Map<string, number[]>, rounds: number): string {
  const rows = jobs.map(({ name, toReach }) => {
    const medians = Object.fromEntries(
      brokers.map(broker => [broker.name, median(times.get(`${name} ${broker.name}`) ?? [])]),
    );
    const own = medians["lwt-broker"] ?? Number.NaN;
    const ratios = brokers
      .filter(broker => broker.name !== "lwt-broker")
      .map(broker => {
        const limit = toReach[broker.name];
        const aim = limit === undefined ? "" : ` (<= ${limit.toFixed(2)})`;
        return `${(own / (medians[broker.name] ?? Number.NaN)).toFixed(2)}${aim}`.padStart(17);
      });
    return `${name.padEnd(32)}${own.toFixed(0).padStart(8)}${ratios.join("")}`;
  });
  const others = brokers
    .filter(broker => broker.name !== "lwt-broker")
    .map(broker => broker.name.padStart(17));
  return [
    `Node ${process.versions.node}, medians of ${rounds} rounds; Mosquitto with no delay, 1000 in flight`,
    `${"job".padEnd(32)}${"ms".padStart(8)}${others.map(name => `x ${name.trim()}`.padStart(17)).join("")}`,
    ...rows,
  ].join("\n");
}

export const median = (numbers: number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
