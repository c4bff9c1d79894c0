import { mkdtempSync, rmSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import path from "node:path";
import { missing } from "../support/processes.js";
import { ends, median } from "./broker.js";
import { type BenchBroker, startStores } from "./brokers.js";
import { progress } from "./progress.js";
import { measureSizes } from "./store-sizes.js";
import { WindowedPublisher } from "./windowed-publisher.js";

export const about = "what --data costs, beside memory; --long: a million queued";

export const limits = `With 20 in flight a publisher waits for each fdatasync, one for each batch: 62 % of the time in a profile. With 1000 in
flight one fdatasync serves hundreds of messages. Start-up with a million queued (--long) is replay: in a profile a third
of it filled maps and made objects, and a sixth was garbage collection.`;

const ROUNDS = 3;
const PEERS = ["mosquitto", "mosquitto_sub"];
const TOPIC = "bench/store";
const STORED = ["-i", "Stored", "-c", "-q", "1", "-t", TOPIC];

const receives = (port: number, count: number) =>
  ends("mosquitto_sub", ["-p", String(port), ...STORED, "-C", String(count)]);

const subscribes = (port: number) => ends("mosquitto_sub", ["-p", String(port), ...STORED, "-E"]);

/** The figures of one job, by name. */
type Figures = Record<string, number>;

interface Job {
  messages: number;
  run(port: number, messages: number): Promise<Figures>;
}

const online = (messages: number, window: number): Job => ({
  messages,
  run: async port => {
    const since = performance.now();
    const receiving = receives(port, messages);
    await WindowedPublisher.publish(port, [TOPIC], messages, window);
    await receiving;
    return { [`online, ${window} in flight`]: messages / (performance.now() - since) };
  },
});

const intoAbsent = (messages: number, window: number): Job => ({
  messages,
  run: async port => {
    const { all, acknowledged } = await WindowedPublisher.publish(port, [TOPIC], messages, window);
    const within = (share: number) => acknowledged[Math.floor(messages * share)] ?? Number.NaN;
    return {
      [`into an absent session, ${window} in flight`]: messages / all,
      [`acknowledged, ${window} in flight, p50`]: within(0.5),
      [`acknowledged, ${window} in flight, p99`]: within(0.99),
    };
  },
});

const queuing = [intoAbsent(1_000, 1), intoAbsent(10_000, 20), intoAbsent(50_000, 1000)];
const queued = queuing.reduce((sum, { messages }) => sum + messages, 0);

const drain: Job = {
  messages: queued,
  run: async port => {
    const since = performance.now();
    await receives(port, queued);
    return { drained: performance.now() - since };
  },
};

/** In this order: the last one takes what those before it have queued. */
const jobs = [online(50_000, 1000), online(20_000, 20), ...queuing, drain];

interface Row {
  figure: string;
  unit: "k/s" | "ms";
  /** Ratios to stock aedes. */
  aim?: { disk: number; write: number };
}

const rows: Row[] = [
  { figure: "online, 1000 in flight", unit: "k/s", aim: { disk: 0.7, write: 0.7 } },
  { figure: "online, 20 in flight", unit: "k/s", aim: { disk: 0.25, write: 0.65 } },
  { figure: "into an absent session, 1000 in flight", unit: "k/s", aim: { disk: 0.4, write: 0.65 } },
  { figure: "into an absent session, 20 in flight", unit: "k/s", aim: { disk: 0.25, write: 0.65 } },
  { figure: "drained", unit: "ms", aim: { disk: 0.8, write: 0.6 } },
  ...[1, 20, 1000].flatMap(window =>
    ["p50", "p99"].map(share => ({
      figure: `acknowledged, ${window} in flight, ${share}`,
      unit: "ms" as const,
    })),
  ),
];

export async function run(rounds = ROUNDS, isLong = false): Promise<string> {
  const absent = PEERS.filter(program => missing(program, ["-h"]));
  if (absent.length > 0) return `${absent.join(" and ")} not installed: there is nothing to measure with`;
  const folder = mkdtempSync(path.join(tmpdir(), "lwt-bench-"));
  try {
    const compared = await compare(await startStores(folder), rounds);
    return [...compared, "", ...(await measureSizes(folder, isLong))].join("\n");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** By figure and broker, one of each round. */
type Measured = Map<string, number[]>;

async function compare(brokers: BenchBroker[], rounds: number): Promise<string[]> {
  const measured: Measured = new Map();
  const busy = load();
  try {
    for (const { port } of brokers) await subscribes(port);
    for (let round = 1; round <= rounds; round++)
      for (const job of jobs)
        for (const { name, port } of brokers)
          for (const [figure, value] of Object.entries(await job.run(port, job.messages))) {
            progress(`round ${round} of ${rounds}: ${figure}, ${name}: ${value.toFixed(2)}`);
            const key = keyOf(figure, name);
            measured.set(key, [...(measured.get(key) ?? []), value]);
          }
  } finally {
    await Promise.all(brokers.map(broker => broker.stop()));
  }
  return [
    `Node ${process.versions.node}, QoS 1, 100 bytes; medians of ${rounds} rounds in turn, and their spread.`,
    `${cpus().length} processors; load at the beginning and the end ${busy} and ${load()}`,
    "Mosquitto: persistence true, which saves as it comes (every half an hour, and at",
    "its end); no delay, 1000 in flight. x NAME: this figure as a ratio to NAME's,",
    "and in brackets what to reach.",
    line("", "", "spread", "x memory", "x stock aedes", "x Mosquitto"),
    ...rows.flatMap(row => [
      `${row.figure}, ${row.unit}`,
      ...(["write", "disk"] as const).map(sync => rowOf(row, sync, measured)),
    ]),
  ];
}

/** Of this machine in the last minute, with what others do on it. */
const load = () => (loadavg()[0] ?? Number.NaN).toFixed(1);

const keyOf = (figure: string, broker: string) => `${figure} of ${broker}`;

function rowOf({ figure, unit, aim }: Row, sync: "write" | "disk", measured: Measured): string {
  const all = (name: string) => measured.get(keyOf(figure, name)) ?? [];
  const own = median(all(sync));
  const ratio = (name: string) => (own / median(all(name))).toFixed(2);
  const spread = `${(Math.min(...all(sync)) / own).toFixed(2)}-${(Math.max(...all(sync)) / own).toFixed(2)}`;
  const sign = unit === "ms" ? "<=" : ">=";
  const toReach = aim ? ` (${sign} ${aim[sync].toFixed(2)})` : "";
  return line(
    `  --sync ${sync}`,
    own.toFixed(own < 10 ? 2 : own < 100 ? 1 : 0),
    spread,
    ratio("memory"),
    `${ratio("stock aedes")}${toReach}`,
    ratio("Mosquitto"),
  );
}

const line = (name: string, own: string, spread: string, memory: string, stock: string, peer: string) =>
  `${name.padEnd(16)}${own.padStart(9)}${spread.padStart(12)}${memory.padStart(10)}${stock.padStart(17)}${peer.padStart(13)}`.trimEnd();
