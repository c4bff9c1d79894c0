import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { line } from "./broker.js";
import { type LoggingBroker, logSays, startLogging } from "./brokers.js";
import { flow } from "./flow.js";
import { type Measured, mostIn, ours, type Sample, startMeasured, watch } from "./measured.js";
import { progress } from "./progress.js";
import { WindowedPublisher } from "./windowed-publisher.js";

export const about = "memory while 100 000 messages pass; --long: a million";

export const limits = `What is left of a growth over 1.0 is what V8 lets lie before it collects. sub-lwt is slower than the publisher here, so
that the broker holds the rest; lwt-broker's own memory is measured with a subscriber that keeps up.`;

const MESSAGES = 100_000;
const MESSAGES_LONG = 1_000_000;
const IN_FLIGHT = 1000;
const TOPIC = "bench/memory";
/** A publisher is faster than sub-lwt: what is not read yet waits in the broker. */
const ENDLESS = ["--max-queued", "10000000"];

interface Contestant {
  name: string;
  /** Lets so many messages pass. @returns what was seen of its memory meanwhile */
  run(messages: number, folder: string): Promise<Sample[]>;
}

const pubLwt = (port: number, ...more: string[]) => [
  ...ours("pub-lwt"),
  ..."--quiet --no-status -p".split(" "),
  String(port),
  "-t",
  TOPIC,
  ...more,
];

const publisher = (name: string, start: (port: number, messages: number) => Measured): Contestant => ({
  name,
  run: messages =>
    withBroker([], async ({ port }) => {
      const { samples, ended } = start(port, messages);
      await ended;
      return samples;
    }),
});

const subscriber = (name: string, ...more: string[]): Contestant => ({
  name,
  run: (messages, folder) =>
    withBroker(ENDLESS, async broker => {
      const { port } = broker;
      const stdout = openSync(path.join(folder, "stdout"), "w");
      const options = ["-p", String(port), "-t", TOPIC, "--clean-session", "-C", String(messages), ...more];
      const subscribed = logSays(broker, '"subscribed"');
      const command = [...ours("sub-lwt"), ...options];
      const { samples, ended } = startMeasured(command, ["ignore", stdout, "ignore"]);
      await subscribed;
      await WindowedPublisher.publish(port, [TOPIC], messages, IN_FLIGHT);
      await ended;
      closeSync(stdout);
      return samples;
    }),
});

const broker = (name: string, more: (folder: string) => string[]): Contestant => ({
  name,
  run: (messages, folder) =>
    withBroker(more(folder), async ({ port, pid }) => {
      const watched = watch(pid);
      await flow(port, { name, publishers: 1, subscribers: 1, messages });
      watched.stop();
      return watched.samples;
    }),
});

const contestants: Contestant[] = [
  publisher("pub-lwt --interval 0", (port, messages) =>
    startMeasured(pubLwt(port, "--interval", "0", "-C", String(messages)), "ignore"),
  ),
  publisher("pub-lwt --stdin-line", (port, messages) => {
    const measured = startMeasured(pubLwt(port, "-l"), ["pipe", "ignore", "ignore"]);
    if (measured.child.stdin) void pipeline(Readable.from(lines(messages)), measured.child.stdin);
    return measured;
  }),
  subscriber("sub-lwt --quiet", "--quiet"),
  subscriber("sub-lwt --json > FILE", "--json"),
  subscriber("sub-lwt > FILE"),
  broker("lwt-broker", () => []),
  broker("lwt-broker --data", folder => ["--data", path.join(folder, "data")]),
];

export async function run(_rounds?: number, isLong = false): Promise<string> {
  const messages = isLong ? MESSAGES_LONG : MESSAGES;
  const folder = mkdtempSync(path.join(tmpdir(), "lwt-bench-"));
  const rows: string[] = [];
  try {
    for (const contestant of contestants) {
      progress(`${messages / 1000} k messages: ${contestant.name}`);
      rows.push(rowOf(contestant.name, await contestant.run(messages, folder)));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return [
    `Node ${process.versions.node}, ${messages / 1000} k messages of 100 bytes at QoS 1, through lwt-broker`,
    "resident memory in MB, at most in these parts of the time",
    row("", "10 to 20 %", "90 to 100 %", "ratio"),
    ...rows,
    "to reach with a million: a ratio of 1.1",
  ].join("\n");
}

async function withBroker(
  more: string[],
  measure: (broker: LoggingBroker) => Promise<Sample[]>,
): Promise<Sample[]> {
  const started = await startLogging("lwt-broker", ["--json", ...more]);
  started.log?.resume();
  const samples = await measure(started);
  await started.stop();
  return samples;
}

function* lines(messages: number): Generator<string> {
  for (let i = 0; i < messages; i++) yield `${line(i)}\n`;
}

function rowOf(name: string, samples: Sample[]): string {
  const [early, late] = [mostIn(samples, 0.1, 0.2), mostIn(samples, 0.9, 1)];
  return row(name, early.toFixed(0), late.toFixed(0), (late / early).toFixed(2));
}

const row = (name: string, early: string, late: string, ratio: string) =>
  `${name.padEnd(24)}${early.padStart(12)}${late.padStart(13)}${ratio.padStart(8)}`;
