import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { missing } from "../support/processes.js";
import { type BenchBroker, startBrokers, startLwtBroker } from "./brokers.js";
import { CountingSubscriber } from "./counting-subscriber.js";
import { Pinger } from "./pinger.js";
import { cpuOf, memoryOf, residentOf } from "./proc.js";
import { progress } from "./progress.js";
import { rawConnection } from "./raw-connection.js";
import { WindowedPublisher } from "./windowed-publisher.js";

export const about = "connections that idle, come and go, say nothing, or do not read";

export const limits = `An idle connection is a socket, a parser, a session and a timer. A client that comes and goes costs the broker four lines
of its log. Half a CONNECT waits for ten seconds; what is kept of packets is bounded over all connections. Of a subscriber
that does not read, the queue is what grows, to --max-queued.`;

const IDLE = 2_000;
/** CONNECTs that await their CONNACK at once. */
const AT_ONCE = 50;
const PER_SECOND = 200;
const SECONDS = 5;
const SECONDS_LONG = 30;
const HEALTHY = 20;
const QUEUE = 2_000;
const MESSAGES = 5_000;
const TOPIC = "bench/door";

export async function run(_rounds?: number, isLong = false): Promise<string> {
  const absent = ["mosquitto"].filter(program => missing(program, ["-h"]));
  const lines = [`Node ${process.versions.node}; memory where the system has /proc, without users or TLS`];
  lines.push(`${IDLE} idle connections   connects/s      MB  kB each  longest ping (ms)`);
  for (const broker of await startBrokers(absent)) lines.push(await stopping(broker, idle));
  lines.push("", `${IDLE} with half a CONNECT                 MB  kB each  longest ping (ms)`);
  lines.push(await stopping(await startLwtBroker(), half));
  lines.push("", `${PER_SECOND} a second come and go     p50 ms  p99 ms  CPU ms each  MB more`);
  const seconds = isLong ? SECONDS_LONG : SECONDS;
  for (const broker of await startBrokers(absent))
    lines.push(await stopping(broker, each => comeAndGo(each, seconds)));
  lines.push("", `${HEALTHY} subscribers, ${MESSAGES / 1000} k messages     all read   two do not`);
  lines.push(...(await slowReaders()));
  return lines.join("\n");
}

async function stopping<Result>(
  broker: BenchBroker,
  measure: (broker: BenchBroker) => Promise<Result>,
): Promise<Result> {
  progress(broker.name);
  try {
    return await measure(broker);
  } finally {
    await broker.stop();
  }
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

async function idle(broker: BenchBroker): Promise<string> {
  const before = residentOf(broker.pid);
  const since = performance.now();
  const sockets = await connectAll(broker.port, IDLE);
  const perSecond = (IDLE * 1000) / (performance.now() - since);
  return `${broker.name.padEnd(21)}${perSecond.toFixed(0).padStart(12)}${await beside(broker, before, sockets)}`;
}

/** So many clients, some at once. */
async function connectAll(port: number, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  const next = async () => {
    while (sockets.length < count) {
      const socket = rawConnection(port, `Idle${sockets.length}`);
      sockets.push(socket);
      await once(socket, "data");
    }
  };
  await Promise.all(numbers(AT_ONCE).map(next));
  return sockets;
}

async function half(broker: BenchBroker): Promise<string> {
  const before = residentOf(broker.pid);
  const sockets = numbers(IDLE).map(() => connect(broker.port, "127.0.0.1"));
  await Promise.all(sockets.map(socket => once(socket, "connect")));
  for (const socket of sockets) socket.on("error", () => {}).write(Buffer.of(0x10, 0x7f, 0, 4, 0x4d));
  return `${broker.name.padEnd(33)}${await beside(broker, before, sockets)}`;
}

/** The cost of these connections, and the response time of another client meanwhile. */
async function beside(broker: BenchBroker, before: number, sockets: Socket[]): Promise<string> {
  const pinger = await Pinger.start(broker.port);
  const { broker: longest } = await pinger.during(() => setTimeout(1000));
  const megabytes = residentOf(broker.pid);
  pinger.stop();
  for (const socket of sockets) socket.destroy();
  const each = ((megabytes - before) * 1024) / sockets.length;
  return [
    megabytes.toFixed(0).padStart(8),
    each.toFixed(1).padStart(9),
    longest.toFixed(1).padStart(19),
  ].join("");
}

async function comeAndGo(broker: BenchBroker, seconds: number): Promise<string> {
  const before = residentOf(broker.pid);
  const cpu = cpuOf(broker.pid);
  const count = PER_SECOND * seconds;
  const took = await Promise.all(
    numbers(count).map(async i => {
      await setTimeout((i * 1000) / PER_SECOND);
      const at = performance.now();
      const socket = rawConnection(broker.port, `Visitor${i}`).on("error", () => {});
      await once(socket, "data");
      const milliseconds = performance.now() - at;
      socket.end(Buffer.of(0xe0, 0));
      return milliseconds;
    }),
  );
  const each = (cpuOf(broker.pid) - cpu) / count;
  const sorted = took.toSorted((a, b) => a - b);
  const within = (part: number) => (sorted[Math.ceil(part * count) - 1] ?? Number.NaN).toFixed(1).padStart(8);
  const more = (residentOf(broker.pid) - before).toFixed(1);
  return `${broker.name.padEnd(27)}${within(0.5)}${within(0.99)}${each.toFixed(2).padStart(13)}${more.padStart(9)}`;
}

async function slowReaders(): Promise<string[]> {
  const folder = mkdtempSync(path.join(tmpdir(), "lwt-bench-"));
  const stores: Record<string, string[]> = { memory: [], "--data": ["--data", path.join(folder, "data")] };
  const lines: string[] = [];
  for (const [name, args] of Object.entries(stores)) {
    const figures: Figures[] = [];
    for (const slow of [0, 2]) {
      rmSync(path.join(folder, "data"), { recursive: true, force: true });
      const broker = await startLwtBroker(
        `${name}, ${slow} do not read`,
        "--max-queued",
        String(QUEUE),
        ...args,
      );
      figures.push(await stopping(broker, each => fanOut(each, slow)));
    }
    const cells = (figure: keyof Figures) =>
      figures.map(each => each[figure].toFixed(1).padStart(13)).join("");
    lines.push(`${`${name}, k/s to each`.padEnd(28)}${cells("perSecond")}`);
    lines.push(`${`${name}, MB at its most`.padEnd(28)}${cells("megabytes")}`);
  }
  rmSync(folder, { recursive: true, force: true });
  return lines;
}

interface Figures {
  /** Thousands of messages that each who reads has got in a second. */
  perSecond: number;
  megabytes: number;
}

async function fanOut(broker: BenchBroker, slow: number): Promise<Figures> {
  const start = (name: string) => (i: number) =>
    CountingSubscriber.start(broker.port, `${name}${i}`, TOPIC, 1);
  const stuck = await Promise.all(numbers(slow).map(start("Stuck")));
  for (const each of stuck) each.pause();
  const healthy = await Promise.all(numbers(HEALTHY).map(start("Healthy")));
  const since = performance.now();
  await Promise.all([
    WindowedPublisher.publish(broker.port, [TOPIC], MESSAGES, 100),
    ...healthy.map(each => each.reaches(MESSAGES)),
  ]);
  const perSecond = MESSAGES / (performance.now() - since);
  const megabytes = memoryOf(broker.pid);
  for (const each of [...stuck, ...healthy]) each.end();
  return { perSecond, megabytes };
}
