import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import type { Event, Timed } from "../../src/events/events.js";
import { readFileSync } from "node:fs";
import { missing } from "../support/processes.js";
import { type BenchBroker, startBrokers, startLwtBroker } from "./brokers.js";
import { environment } from "./contest.js";
import { cpuOf, memoryOf } from "./proc.js";
import { progress } from "./progress.js";
import { binDir } from "../support/paths.js";

export const about = "pub-lwt --machines, and all wills at once; --long: 10 000";

export const limits = `A machine takes 24 kB of heap: in a snapshot 4.2 are mqtt.js' client, 3.7 its socket and streams, 3.2 the state of the
connection, 1.3 an AbortController, and the rest promises, closures and settings. What is above that is what V8 lets lie
before it collects; the pauses in which it does are the p99, on both brokers. When a thousand vanish, the broker takes a
sixth of a millisecond for each. Their wills leave in one write for each turn of the event loop: one write each took a
third of its time, and an error with a stack trace, made for every publication in vain, a sixteenth. In a profile of the
rest 14 % is garbage collection; then come its log, closing sockets, and the errors by which Node tells of each.`;

const SIZES = [1_000];
const SIZES_LONG = [1_000, 10_000];
/** Seconds between a machine's readings, and how many of them. */
const INTERVAL = 1;
const INTERVAL_LONG = 10;
const READINGS = 5;
/** That vanish at once. */
const VANISHING = 1_000;
const CAUSES = ["network", "crash"];

type Named<Name> = Extract<Timed<Event>, { event: Name }>;

interface Fleet {
  events: Timed<Event>[];
  /** Milliseconds. */
  lasted: number;
  /** At its most, in MB; NaN where the system does not say. */
  memory: number;
  /** Milliseconds of processor time. */
  cpu: number;
}

export async function run(_rounds?: number, isLong = false): Promise<string> {
  const absent = ["mosquitto"].filter(program => missing(program, ["-h"]));
  const brokers = await startBrokers(absent);
  try {
    const lines = [
      `Node ${process.versions.node}; each reading at QoS 1, each machine with a stored session`,
    ];
    lines.push(row("machines", "broker", "connects/s", "acked", "MB", "CPU %", "broker", "p50 ms", "p99 ms"));
    for (const machines of isLong ? SIZES_LONG : SIZES)
      for (const broker of brokers) lines.push(await readings(broker, machines));
    lines.push("to reach with 10 000 on lwt-broker: 400 MB, all acknowledged, p99 25 ms", "");
    lines.push(...(await watched(isLong ? SIZES_LONG : SIZES)));
    lines.push(`${VANISHING} vanish at once: how many wills came, and when (ms)`);
    lines.push(willRow("cause", "broker", "came", "p50", "p99", "last"));
    for (const cause of CAUSES) for (const broker of brokers) lines.push(await wills(broker, cause));
    lines.push("to reach: all, p99 250 ms");
    return lines.join("\n");
  } finally {
    await Promise.all(brokers.map(broker => broker.stop()));
  }
}

async function readings(broker: BenchBroker, machines: number): Promise<string> {
  progress(`${broker.name}: ${machines} machines`);
  const interval = machines > VANISHING ? INTERVAL_LONG : INTERVAL;
  const before = cpuOf(broker.pid);
  const { events, lasted, memory, cpu } = await fleet(broker, machines, [
    "--interval",
    String(interval),
    "--count",
    String(READINGS),
  ]);
  const looks = events.filter((event): event is Named<"fleet"> => event.event === "fleet");
  const [first] = looks;
  const allConnected = looks.find(({ connected }) => connected === machines);
  const seconds = (Date.parse(allConnected?.time ?? "") - Date.parse(first?.time ?? "")) / 1000;
  const connectsPerSecond = machines / seconds;
  const last = looks.at(-1);
  const acked = `${last?.acknowledged} of ${machines * READINGS}`;
  return row(
    String(machines),
    broker.name,
    connectsPerSecond.toFixed(0),
    acked,
    memory.toFixed(0),
    ((100 * cpu) / lasted).toFixed(0),
    `${((100 * (cpuOf(broker.pid) - before)) / lasted).toFixed(0)} %`,
    String(last?.p50),
    String(last?.p99),
  );
}

/** The same while somebody watches: sub-lwt --table on a terminal, beside sub-lwt that shows nothing. */
async function watched(sizes: number[]): Promise<string[]> {
  if (missing("script", ["-V"]))
    return ["sub-lwt --table skipped: there is no script(1) to make a terminal", ""];
  const lines = [watchRow("watching on lwt-broker", "machines", "received", "MB", "CPU %", "µs each")];
  for (const machines of sizes) {
    // Its own: the states that another fleet has left would be received too. It has room for who watches.
    const broker = await startLwtBroker("lwt-broker", "--max-connections", String(2 * machines));
    try {
      lines.push(...(await watch(broker, machines)));
    } finally {
      await broker.stop();
    }
  }
  return [...lines, ""];
}

async function watch(broker: BenchBroker, machines: number): Promise<string[]> {
  progress(`lwt-broker: ${machines} machines, watched`);
  const watchers = [onTerminal(broker, "--table"), quiet(broker)];
  await Promise.all(watchers.map(({ started }) => started));
  const before = watchers.map(({ pid }) => cpuOf(pid()));
  const since = performance.now();
  const interval = machines > VANISHING ? INTERVAL_LONG : INTERVAL;
  await fleet(broker, machines, ["--interval", String(interval), "--count", String(READINGS)]);
  const lasted = performance.now() - since;
  const costs = watchers.map(({ pid }, i) => ({
    memory: memoryOf(pid()),
    cpu: cpuOf(pid()) - (before[i] ?? 0),
  }));
  const received = await Promise.all(watchers.map(({ stop }) => stop()));
  return watchers.map(({ name }, i) => {
    const { memory = Number.NaN, cpu = Number.NaN } = costs[i] ?? {};
    const messages = received[i] ?? 0;
    return watchRow(
      name,
      String(machines),
      `${messages} of ${machines * (READINGS + 2)}`,
      memory.toFixed(0),
      ((100 * cpu) / lasted).toFixed(0),
      ((1000 * cpu) / messages).toFixed(0),
    );
  });
}

interface Watcher {
  name: string;
  /** Kept when it is connected. */
  started: Promise<unknown>;
  pid: () => number;
  /** Returns how many messages it has received. */
  stop: () => Promise<number>;
}

function onTerminal(broker: BenchBroker, ...more: string[]): Watcher {
  const bin = path.join(binDir, "sub-lwt.cjs");
  const line = [
    "exec",
    process.execPath,
    bin,
    "-p",
    String(broker.port),
    "-i",
    "table",
    "--clean-session",
    ...more,
  ];
  const script = spawn("script", ["-qfec", `stty cols 80 rows 24 && ${line.join(" ")}`, "/dev/null"], {
    env: { ...environment, SHELL: "/bin/sh", TERM: "xterm" },
    stdio: ["pipe", "pipe", "ignore"],
  });
  let shown = "";
  script.stdout.setEncoding("utf8").on("data", (text: string) => (shown = (shown + text).slice(-20_000)));
  const pid = script.pid ?? 0;
  const ended = once(script, "close");
  return {
    name: ["sub-lwt", ...more].join(" "),
    started: once(script.stdout, "data").then(() => until(() => shown.includes("messages:"))),
    pid: () => Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")),
    stop: async () => {
      script.stdin.write("\u0003");
      await ended;
      return Number([...shown.matchAll(/(\d+) messages:/g)].at(-1)?.[1]);
    },
  };
}

function quiet(broker: BenchBroker): Watcher {
  const { child, lines, ended } = start("sub-lwt", broker, ["--clean-session", "--json", "--quiet"]);
  let received = 0;
  lines.on("line", line => {
    const event = JSON.parse(line) as Timed<Event>;
    if (event.event !== "summary") return;
    for (const machine of event.machines) received += "received" in machine ? machine.received : 0;
  });
  return {
    name: "sub-lwt --quiet",
    started: new Promise(resolve => setTimeout(resolve, 2_000)),
    pid: () => child.pid ?? 0,
    stop: async () => {
      child.kill("SIGINT");
      await Promise.all([ended, once(lines, "close")]);
      return received;
    },
  };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(resolve => setTimeout(resolve, 50));
}

async function wills(broker: BenchBroker, cause: string): Promise<string> {
  progress(`${broker.name}: ${VANISHING} vanish by ${cause}`);
  const came: number[] = [];
  const witness = start("sub-lwt", broker, ["--clean-session", "--json"]);
  const subscribed = once(witness.lines, "line");
  witness.lines.on("line", line => {
    const event = JSON.parse(line) as Timed<Event>;
    if (event.event === "status" && event.state === "offline" && event.delivery === "live")
      came.push(Date.parse(event.time));
  });
  await subscribed;
  const args = ["--fail", cause, "--after", "2", "--interval", "1"];
  const { events } = await fleet(broker, VANISHING, args);
  const failing = events.find(({ event }) => event === "failing");
  const since = Date.parse(failing?.time ?? "");
  await untilQuiet(() => came.length, VANISHING);
  witness.child.kill();
  await witness.ended;
  const sorted = came.map(at => at - since).toSorted((a, b) => a - b);
  const within = (share: number) => String(sorted[Math.ceil(share * sorted.length) - 1]);
  return willRow(cause, broker.name, `${came.length}`, within(0.5), within(0.99), within(1));
}

/** Until there are as many, or for so long no more. */
async function untilQuiet(count: () => number, wanted: number): Promise<void> {
  for (let last = -1; count() < wanted && count() !== last; ) {
    last = count();
    await new Promise(resolve => setTimeout(resolve, 2_000));
  }
}

function start(name: string, broker: BenchBroker, args: string[]) {
  const all = [path.join(binDir, `${name}.cjs`), "-p", String(broker.port), ...args];
  const child = spawn(process.execPath, all, { env: environment, stdio: ["ignore", "pipe", "ignore"] });
  return { child, lines: createInterface({ input: child.stdout }), ended: once(child, "exit") };
}

async function fleet(broker: BenchBroker, machines: number, args: string[]): Promise<Fleet> {
  const since = performance.now();
  const all = ["--machines", String(machines), "--json", ...args];
  const { child, lines, ended } = start("pub-lwt", broker, all);
  const events: Timed<Event>[] = [];
  let memory = Number.NaN;
  let cpu = 0;
  lines.on("line", line => {
    events.push(JSON.parse(line) as Timed<Event>);
    if (child.exitCode !== null) return;
    const now = memoryOf(child.pid ?? 0);
    if (Number.isNaN(now)) return; // it has just ended
    memory = now;
    cpu = cpuOf(child.pid ?? 0);
  });
  await Promise.all([ended, once(lines, "close")]);
  return { events, lasted: performance.now() - since, memory, cpu };
}

const row = (...[machines, broker, connects, acked, mb, cpu, brokerCpu, p50, p99]: string[]) =>
  `${machines?.padEnd(9)}${broker?.padEnd(11)}${connects?.padStart(10)}${acked?.padStart(16)}${mb?.padStart(5)}` +
  `${cpu?.padStart(6)}${brokerCpu?.padStart(7)}${p50?.padStart(7)}${p99?.padStart(7)}`;

const willRow = (...[cause, broker, came, p50, p99, last]: string[]) =>
  `${cause?.padEnd(9)}${broker?.padEnd(12)}${[came, p50, p99, last].map(each => each?.padStart(8)).join("")}`;

const watchRow = (...[name, machines, received, mb, cpu, each]: string[]) =>
  `${name?.padEnd(24)}${machines?.padStart(9)}${received?.padStart(16)}${mb?.padStart(6)}${cpu?.padStart(7)}${each?.padStart(9)}`;
