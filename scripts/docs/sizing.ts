import { readFileSync } from "node:fs";
import path from "node:path";

/** Number of machines, and seconds between two readings of one. */
const SIZES: [machines: number, interval: number][] = [
  [30, 3],
  [1_000, 10],
  [10_000, 10],
  [100_000, 60],
  [1_000_000, 60],
];
/** The broker's memory for a connection with a session, a will and a retained status. Measured once, by no benchmark. */
const CONNECTION_BYTES = 28_000;
const HOUR_SECONDS = 3600;
const QUEUED_IN_BENCHMARK = 1e6;

/** Returns the costs of a connection and of a message in lwt-broker, from the tables that the benchmarks have written. */
function costs() {
  const text = readFileSync(
    path.join(import.meta.dirname, "..", "..", "docs", "reference", "benchmarks.md"),
    "utf8",
  );
  const figures = (line: RegExp) => {
    const found = line.exec(text);
    if (!found) throw new Error(`benchmarks.md lacks a line like ${line}`);
    return found.slice(1).map(Number);
  };
  // 10 000 machines, a thousand readings a second: each reading has a packet and a write of its own.
  const [connects = 0, share = 0] = figures(/^10000 +lwt-broker +(\d+) .*? (\d+) % +[\d.]+ +[\d.]+$/m);
  // One publisher and one subscriber at full speed: hundreds of messages in one write.
  const [milliseconds = 0] = figures(/^QoS 1, one to one, 50 k +(\d+)/m);
  const [, memory = 0, disk = 0] = figures(/^1000 k +lwt-broker +(\d+) +(\d+) +([\d.]+)/m);
  return {
    connects,
    /** Seconds of processor time for a message: minimum and maximum. */
    processor: [milliseconds / 1000 / 50_000, share / 100 / 1000] as const,
    /** Bytes for a queued message. */
    memory: (memory * 1e6) / QUEUED_IN_BENCHMARK,
    disk: (disk * 1e6) / QUEUED_IN_BENCHMARK,
  };
}

/** Returns the rows of the table in docs/how-to/size-a-broker.md. */
export function sizingRows(): string[][] {
  const { connects, processor, memory, disk } = costs();
  return SIZES.map(([machines, interval]) => {
    const rate = machines / interval;
    const queued = rate * HOUR_SECONDS;
    return [
      machines.toLocaleString("en-US"),
      `${interval} s`,
      short(rate),
      `${processor.map(each => short(100 * each * rate)).join(" to ")} %`,
      `${short(machines / connects)} s`,
      bytes(machines * CONNECTION_BYTES),
      `${short(queued / 1000)} k`,
      bytes(queued * memory),
      bytes(queued * disk),
    ];
  });
}

export const SIZING_HEAD = [
  "Machines",
  "A reading every",
  "Readings/s",
  "Of one processor",
  "All connect in",
  "Memory for them",
  "An hour's queue",
  "In memory",
  "On disk",
];

/** Rounds to two significant digits. */
const short = (value: number) => Number(value.toPrecision(2)).toLocaleString("en-US");
const bytes = (value: number) => (value < 1e9 ? `${short(value / 1e6)} MB` : `${short(value / 1e9)} GB`);
