import type { BenchBroker } from "./brokers.js";
import { median } from "./broker.js";
import { CountingSubscriber } from "./counting-subscriber.js";
import { cpuOf, memoryOf } from "./proc.js";
import { progress } from "./progress.js";
import { WindowedPublisher } from "./windowed-publisher.js";

/** Publishers and subscribers at QoS 1. Every subscriber receives every message. */
export interface Flow {
  name: string;
  publishers: number;
  subscribers: number;
  /** Of all publishers together. */
  messages: number;
}

const TOPIC = "bench/flow";
/** Of all publishers together. */
const IN_FLIGHT = 1000;
/** Milliseconds after which messages are lost. */
const TIMEOUT_MS = 300_000;

/** @returns milliseconds from the first message to the last acknowledgment and the last delivery */
export async function flow(port: number, { publishers, subscribers, messages }: Flow): Promise<number> {
  const all = await Promise.all(
    each(subscribers, i => CountingSubscriber.start(port, `Counting${i}`, TOPIC, 1)),
  );
  const since = performance.now();
  const [share, window] = [messages / publishers, IN_FLIGHT / publishers];
  const publishing = each(publishers, i =>
    WindowedPublisher.publish(port, [TOPIC], share, window, `Windowed${i}`),
  );
  const done = Promise.all([...all.map(subscriber => subscriber.reaches(messages)), ...publishing]);
  await inTime(done, () => `got only ${all.map(({ count }) => count).join(", ")} of ${messages}`);
  const took = performance.now() - since;
  for (const subscriber of all) subscriber.end();
  return took;
}

const each = <Made>(count: number, make: (i: number) => Made): Made[] =>
  Array.from({ length: count }, (_, i) => make(i));

async function inTime(promise: Promise<unknown>, why: () => string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(why())), TIMEOUT_MS);
  });
  await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

interface Ran {
  /** Deliveries a millisecond. */
  rate: number;
  /** Microseconds of the broker's processor time a delivery. */
  cpu: number;
}

/** The same flow through each broker in turn, as a table. @param peers the brokers to whose rates the others' are compared */
export async function compareFlow(
  kind: Flow,
  brokers: BenchBroker[],
  peers: string[],
  rounds: number,
): Promise<string[]> {
  const all = new Map(brokers.map(({ name }) => [name, [] as Ran[]]));
  for (let round = 1; round <= rounds; round++)
    for (const broker of brokers) {
      progress(`${kind.name}, round ${round} of ${rounds}: ${broker.name}`);
      all.get(broker.name)?.push(await once(kind, broker));
    }
  const rateOf = (name: string) => median((all.get(name) ?? []).map(({ rate }) => rate));
  return [
    row(
      kind.name,
      "k/s",
      peers.map(peer => `x ${peer}`),
      "us CPU",
      "MB",
    ),
    ...brokers.map(({ name, pid }) =>
      row(
        name,
        rateOf(name).toFixed(1),
        peers.map(peer => (rateOf(name) / rateOf(peer)).toFixed(2)),
        median((all.get(name) ?? []).map(({ cpu }) => cpu)).toFixed(1),
        memoryOf(pid).toFixed(0),
      ),
    ),
  ];
}

async function once(kind: Flow, { port, pid }: BenchBroker): Promise<Ran> {
  const deliveries = kind.messages * kind.subscribers;
  const before = cpuOf(pid);
  const took = await flow(port, kind);
  return { rate: deliveries / took, cpu: (1000 * (cpuOf(pid) - before)) / deliveries };
}

const row = (name: string, rate: string, ratios: string[], cpu: string, memory: string) =>
  [
    name.padEnd(30),
    rate.padStart(7),
    ...ratios.map(ratio => ratio.padStart(15)),
    cpu.padStart(8),
    memory.padStart(5),
  ].join("");
