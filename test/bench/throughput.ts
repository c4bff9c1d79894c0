import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import type { QoS } from "../../src/events/events.js";
import { missing } from "../support/processes.js";
import { line, median, publish } from "./broker.js";
import { type BenchBroker, startUnlimited } from "./brokers.js";
import { environment } from "./contest.js";
import { cpuOf, memoryOf } from "./proc.js";
import { progress } from "./progress.js";
import { binDir } from "../support/paths.js";

export const about = "the clients, beside Mosquitto's and a bare mqtt.js program";

export const limits = `Most of the processor time of pub-lwt and sub-lwt is that of a bare mqtt.js program; what is added are two events a
message, and for a subscriber the reading of the payload. pub-lwt makes each message field by field: with rest and spread
it took a third more processor time. At QoS 2 pub-lwt has 20 messages under way and not 1000: beyond
that Mosquitto as it comes drops what it has acknowledged. Lines of --json and of text are gathered into one write a turn
of the event loop; lines of --stdin-line are taken as they came together, which saved 13 % of the processor time and
36 MB. A bare mqtt.js subscriber writes each acknowledgment by itself, a third of its time in a profile, and leaves
Nagle's algorithm on, which gathers them again; with it off, as it has to be here for the end of a queue to be noticed,
Mosquitto is woken by each and sends one message for it, so that both sides have more to do. So sub-lwt
gathers them itself: for 50 000 messages 10 000 to 21 000 writes, one for each piece that was read.`;

const ROUNDS = 3;
const MESSAGES = 50_000;
const PEERS = ["mosquitto", "mosquitto_pub", "mosquitto_sub"];
const TOPIC = "bench/throughput";
/** Milliseconds in which a subscriber has subscribed. */
const SUBSCRIBED = 1_500;
const POLL = 20;

/** One that publishes the lines on its standard input, or that ends after so many messages. */
interface Client {
  name: string;
  command: (port: string, qos: string) => [program: string, ...args: string[]];
  /** Of the peers' time, by QoS 1. */
  toReach?: { mosquitto: number; bare: number };
}

const ours = (name: string) => [process.execPath, path.join(binDir, `${name}.cjs`)] as const;
const bare = [process.execPath, path.join(import.meta.dirname, "bare-client.mjs")] as const;
const count = String(MESSAGES);

const publishers: Client[] = [
  { name: "mosquitto_pub -l", command: (p, q) => ["mosquitto_pub", "-p", p, "-t", TOPIC, "-q", q, "-l"] },
  { name: "bare mqtt.js", command: (p, q) => [...bare, "pub", p, q, TOPIC] },
  {
    name: "pub-lwt --stdin-line",
    command: (p, q) => [...ours("pub-lwt"), "-p", p, "-t", TOPIC, "-q", q, "-l", "--quiet", "--no-status"],
    toReach: { mosquitto: 0.85, bare: 0.95 },
  },
  {
    name: "pub-lwt --interval 0",
    command: (p, q) => [
      ...ours("pub-lwt"),
      ..."--interval 0 --quiet --no-status".split(" "),
      "-p",
      p,
      "-t",
      TOPIC,
      "-q",
      q,
      "-C",
      count,
    ],
  },
];

const subLwt = (name: string, ...more: string[]): Client => ({
  name,
  command: (p, q) => [
    ...ours("sub-lwt"),
    "-p",
    p,
    "-t",
    TOPIC,
    "-q",
    q,
    "--clean-session",
    "-C",
    count,
    ...more,
  ],
});

const subscribers: Client[] = [
  { name: "mosquitto_sub", command: (p, q) => ["mosquitto_sub", "-p", p, "-t", TOPIC, "-q", q, "-C", count] },
  { name: "bare mqtt.js", command: (p, q) => [...bare, "sub", p, q, TOPIC, count] },
  { ...subLwt("sub-lwt --quiet", "--quiet"), toReach: { mosquitto: 0.75, bare: 0.95 } },
  { ...subLwt("sub-lwt --json > FILE", "--json"), toReach: { mosquitto: 0, bare: 0.6 } },
  subLwt("sub-lwt > FILE"),
];

interface Ran {
  /** Messages a millisecond. */
  rate: number;
  /** Microseconds of processor time a message. */
  cpu: number;
  /** In MB. */
  memory: number;
}

export async function run(rounds = ROUNDS): Promise<string> {
  const absent = PEERS.filter(program => missing(program, ["-h"]));
  if (absent.length > 0) return `${absent.join(" and ")} not installed: there is nothing to measure with`;
  const folder = mkdtempSync(path.join(tmpdir(), "lwt-bench-"));
  const lines = path.join(folder, "lines");
  writeFileSync(lines, Array.from({ length: MESSAGES }, (_, i) => `${line(i)}\n`).join(""));
  const brokers = await startUnlimited();
  try {
    const head = `Node ${process.versions.node}, ${MESSAGES / 1000} k messages of 100 bytes, medians of ${rounds} rounds in turn`;
    const parts = [head, "Mosquitto: no delay, 1000 in flight, endless queue; x NAME: as a ratio to it"];
    for (const qos of [0, 1, 2] as const)
      for (const broker of brokers) {
        parts.push("", title(`QoS ${qos}, through ${broker.name}`));
        const publishes = (client: Client) => publishing(client, broker, qos, lines);
        const takesAll = (client: Client) => subscribing(client, broker, qos, lines, folder);
        parts.push(...(await contest(publishers, rounds, qos, publishes)));
        // At QoS 0 nothing holds a publisher back, and a broker drops what a subscriber does not take.
        if (qos > 0) parts.push(...(await contest(subscribers, rounds, qos, takesAll)));
      }
    return parts.join("\n");
  } finally {
    await Promise.all(brokers.map(broker => broker.stop()));
    rmSync(folder, { recursive: true, force: true });
  }
}

async function contest(
  clients: Client[],
  rounds: number,
  qos: QoS,
  once: (client: Client) => Promise<Ran>,
): Promise<string[]> {
  const all = new Map(clients.map(client => [client, [] as Ran[]]));
  for (let round = 1; round <= rounds; round++) {
    progress(`QoS ${qos}, round ${round} of ${rounds}`);
    for (const client of clients) all.get(client)?.push(await once(client));
  }
  const rateOf = (client: Client | undefined) =>
    median((client ? (all.get(client) ?? []) : []).map(({ rate }) => rate));
  const [mosquitto, mqttjs] = clients;
  return clients.map(client => {
    const runs = all.get(client) ?? [];
    const aim = (limit: number | undefined) => (limit && qos === 1 ? ` (>= ${limit})` : "");
    const ratio = (peer: Client | undefined, limit?: number) =>
      `${(rateOf(client) / rateOf(peer)).toFixed(2)}${aim(limit)}`.padStart(15);
    return [
      client.name.padEnd(24),
      rateOf(client).toFixed(1).padStart(7),
      ratio(mosquitto, client.toReach?.mosquitto),
      ratio(mqttjs, client.toReach?.bare),
      median(runs.map(({ cpu }) => cpu))
        .toFixed(1)
        .padStart(9),
      Math.max(...runs.map(({ memory }) => memory))
        .toFixed(0)
        .padStart(7),
    ].join("");
  });
}

const title = (what: string) =>
  `${what.padEnd(24)}${"k/s".padStart(4)}${"x Mosquitto's".padStart(15)}${"x bare".padStart(15)}${"us CPU".padStart(9)}${"MB".padStart(7)}`;

async function publishing(client: Client, { port }: BenchBroker, qos: QoS, lines: string): Promise<Ran> {
  const stdin = openSync(lines, "r");
  const running = start(client, port, qos, stdin, "ignore");
  const since = performance.now();
  const { cpu, memory } = await running;
  closeSync(stdin);
  return { rate: MESSAGES / (performance.now() - since), cpu: (1000 * cpu) / MESSAGES, memory };
}

async function subscribing(
  client: Client,
  { port }: BenchBroker,
  qos: QoS,
  lines: string,
  folder: string,
): Promise<Ran> {
  const stdout = openSync(path.join(folder, "stdout"), "w");
  const running = start(client, port, qos, "ignore", stdout);
  await setTimeout(SUBSCRIBED);
  const since = performance.now();
  const [{ cpu, memory }] = await Promise.all([running, publish(port, qos, lines, TOPIC)]);
  closeSync(stdout);
  return { rate: MESSAGES / (performance.now() - since), cpu: (1000 * cpu) / MESSAGES, memory };
}

async function start(
  { name, command }: Client,
  port: number,
  qos: QoS,
  stdin: number | "ignore",
  stdout: number | "ignore",
): Promise<{ cpu: number; memory: number }> {
  const [program, ...args] = command(String(port), String(qos));
  const child = spawn(program, args, {
    env: environment,
    cwd: import.meta.dirname, // where no .env is
    stdio: [stdin, stdout, "ignore"],
    timeout: 120_000,
  });
  const pid = child.pid ?? 0;
  let [cpu, memory] = [Number.NaN, Number.NaN];
  const polling = setInterval(() => {
    if (Number.isNaN(memoryOf(pid))) return; // it has just ended
    [cpu, memory] = [cpuOf(pid), memoryOf(pid)];
  }, POLL);
  const [code] = (await once(child, "exit")) as [number | null];
  clearInterval(polling);
  if (code !== 0) throw new Error(`exit code ${code}, of ${name}`);
  return { cpu, memory };
}
