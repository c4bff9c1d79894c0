import type { Readable } from "node:stream";
import { type LoggingBroker, logSays, startLogging } from "./brokers.js";
import { flow } from "./flow.js";
import { type Measured, ours, startMeasured } from "./measured.js";
import { memoryOf, residentOf } from "./proc.js";
import { progress } from "./progress.js";

export const about = "a reader that takes 20 kB a second: it slows only itself; --long: 500 000";

export const limits = `Whoever is read slowly stops reading itself: sub-lwt leaves the rest in its socket and the broker in its queue, of which
it gives up the oldest. lwt-broker leaves out of a slow log what comes with every message, and counts it; connections,
subscriptions, wills and retained messages wait until they can be told. The one beside a slow sub-lwt shares the broker's
processor with it, which is what it loses.`;

const MESSAGES = 50_000;
const MESSAGES_LONG = 500_000;
/** So that the slow one's queue is full early. */
const MAX_QUEUED = 10_000;
/** Of the slow reader, a second. */
const BYTES = 20_000;
const LOOKS = 10;
const TOPIC = "bench/flow";

/** Who is read slowly beside a subscriber that is not. */
interface Scene {
  name: string;
  /** Of lwt-broker's log; a slow one is null where it is the broker that is read slowly. */
  log?: string[];
  slow?: string[];
}

const scenes: Scene[] = [
  { name: "nobody" },
  { name: "sub-lwt", slow: [] },
  { name: "sub-lwt --json", slow: ["--json"] },
  { name: "sub-lwt --qos 0", slow: ["--qos", "0"] },
  { name: "lwt-broker", log: [] },
  { name: "lwt-broker --json", log: ["--json"] },
];

interface Seen {
  milliseconds: number;
  /** Of the slow sub-lwt in MB: when it has subscribed, and at most. */
  client: [first: number, most: number] | null;
  /** Of the broker. */
  broker: [first: number, most: number];
}

interface Reading {
  stop(): void;
}

export async function run(_rounds?: number, isLong = false): Promise<string> {
  const messages = isLong ? MESSAGES_LONG : MESSAGES;
  const seen = new Map<string, Seen>();
  for (const scene of scenes) {
    progress(`${messages / 1000} k messages, read slowly: ${scene.name}`);
    const played = await play(scene, messages);
    progress(`${played.milliseconds.toFixed(0)} ms`);
    seen.set(scene.name, played);
  }
  const alone = seen.get("nobody")?.milliseconds ?? Number.NaN;
  return [
    `Node ${process.versions.node}, ${messages / 1000} k of 100 bytes at QoS 1 through lwt-broker in memory, which`,
    `keeps ${MAX_QUEUED / 1000} k a session; ${BYTES / 1000} kB a second are read of one stdout. All reached the`,
    "subscriber beside it. MB of memory: before the first message, and at most",
    row("read slowly", "ms", "x nobody", "sub-lwt MB", "lwt-broker MB"),
    ...[...seen].map(([name, { milliseconds, client, broker }]) =>
      row(
        name,
        milliseconds.toFixed(0),
        (milliseconds / alone).toFixed(2),
        client ? growth(client) : "",
        growth(broker),
      ),
    ),
  ].join("\n");
}

const growth = ([first, most]: [number, number]) => `${first.toFixed(0)} -> ${most.toFixed(0)}`;

const row = (...[name, ms, ratio, client, broker]: string[]) =>
  `${name?.padEnd(20)}${ms?.padStart(10)}${ratio?.padStart(10)}${client?.padStart(16)}${broker?.padStart(16)}`.trimEnd();

async function play({ log, slow }: Scene, messages: number): Promise<Seen> {
  const args = ["--max-queued", String(MAX_QUEUED), ...(log ?? ["--json"])];
  const broker = await startLogging("lwt-broker", args);
  const reading = log && broker.log ? readSlowly(broker.log) : null;
  if (!reading) broker.log?.resume();
  const subscriber = slow ? await startSlow(broker, slow) : null;
  const pid = subscriber?.child.pid ?? 0;
  const [clientFirst, brokerFirst] = [residentOf(pid), residentOf(broker.pid)];
  try {
    const milliseconds = await flow(broker.port, { name: "", publishers: 1, subscribers: 1, messages });
    return {
      milliseconds,
      client: subscriber && [clientFirst, memoryOf(pid)],
      broker: [brokerFirst, memoryOf(broker.pid)],
    };
  } finally {
    subscriber?.child.kill("SIGKILL");
    await subscriber?.ended.catch(() => {});
    for (const each of [reading, subscriber?.reading]) each?.stop();
    await broker.stop();
  }
}

async function startSlow(
  broker: LoggingBroker,
  more: string[],
): Promise<Measured & { reading: Reading | null }> {
  const subscribed = logSays(broker, '"subscribed"');
  const command = [...ours("sub-lwt"), "-p", String(broker.port), "-t", TOPIC, ...more];
  const measured = startMeasured(command, ["ignore", "pipe", "ignore"]);
  const reading = measured.child.stdout && readSlowly(measured.child.stdout);
  await subscribed;
  return { ...measured, reading };
}

/** As a terminal would, or a pager. */
function readSlowly(stream: Readable): Reading {
  const noMatter = () => {};
  stream.on("readable", noMatter); // not flowing
  const reading = setInterval(
    () => void stream.read(Math.min(BYTES / LOOKS, stream.readableLength)),
    1000 / LOOKS,
  );
  const stop = () => {
    clearInterval(reading);
    stream.off("readable", noMatter).resume();
  };
  return { stop };
}
