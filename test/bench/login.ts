import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setPassword } from "../../src/broker/auth/users.js";
import { RawClient } from "../support/raw-client.js";
import { type BenchBroker, startLwtBroker } from "./brokers.js";
import { Pinger } from "./pinger.js";
import { cpuOf, memoryOf } from "./proc.js";
import { progress } from "./progress.js";

export const about = "log-ins a second, with --users and without";

export const limits = `A password that is new or wrong costs one scrypt hash, 16 MiB and a core's time in a thread of Node's pool: as many of
them run as there are processors but one, and two at the most, so that is what limits their number, and those who are
connected are served meanwhile. Who was right once is known by a quick digest, and limited like a connection without
users by the connections themselves.`;

const USERS = 40;
const CONNECTS = 2_000;
/** Connections that are being made at a time. */
const AT_ONCE = 50;

interface Job {
  name: string;
  logIns: number;
  user: (i: number) => string | null;
  password: string;
  atOnce: number;
}

const user = (i: number) => `user${i % USERS}`;

const WITHOUT: Job[] = [
  { name: "without --users", logIns: CONNECTS, user: () => null, password: "", atOnce: AT_ONCE },
];
const WITH: Job[] = [
  { name: "each user's first", logIns: USERS, user, password: "right", atOnce: USERS },
  { name: "the same users again", logIns: CONNECTS, user, password: "right", atOnce: AT_ONCE },
  { name: "wrong passwords", logIns: USERS, user, password: "wrong", atOnce: USERS },
];

export async function run(): Promise<string> {
  const folder = mkdtempSync(path.join(tmpdir(), "lwt-bench-"));
  const file = path.join(folder, "users.txt");
  try {
    progress("making users");
    for (let i = 0; i < USERS; i++) await setPassword(file, user(i), "right");
    const lines = [
      `Node ${process.versions.node}; ${CONNECTS} connects in ${AT_ONCE}s, ${USERS} users at once`,
      row("log-ins", "a second", "CPU ms", "MB", "PING ms", "own ms"),
    ];
    for (const [jobs, ...args] of [[WITHOUT], [WITH, "--users", file]] as [Job[], ...string[]][]) {
      const broker = await startLwtBroker("lwt-broker", ...args);
      try {
        for (const job of jobs) lines.push(await measured(broker, job));
      } finally {
        await broker.stop();
      }
    }
    lines.push("CPU ms: of the broker, for each. PING ms: the longest that one who was");
    lines.push("connected waited for an answer; own ms: how late the benchmark itself was");
    return lines.join("\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** In a broker with users, who pings has come in before. */
async function measured({ pid, port }: BenchBroker, job: Job): Promise<string> {
  progress(job.name);
  const pinger = await Pinger.start(port, job.user(0) === null ? null : { user: "user0", password: "right" });
  const cpu = cpuOf(pid);
  let lasted = 0;
  const { broker, own } = await pinger.during(async () => {
    const since = performance.now();
    await logIns(port, job);
    lasted = performance.now() - since;
  });
  pinger.stop();
  const perSecond = (1000 * job.logIns) / lasted;
  const each = (cpuOf(pid) - cpu) / job.logIns;
  return row(
    job.name,
    perSecond.toFixed(perSecond < 100 ? 1 : 0),
    each.toFixed(1),
    memoryOf(pid).toFixed(0),
    broker.toFixed(1),
    own.toFixed(1),
  );
}

async function logIns(port: number, { logIns, user, password, atOnce }: Job): Promise<void> {
  let next = 0;
  const one = async () => {
    while (next < logIns) {
      const i = next++;
      const userName = user(i);
      const credentials = userName === null ? {} : { userName, password };
      const client = RawClient.start({ after: () => {} }, port, { clientId: `c${i}`, ...credentials });
      await client.connack();
      client.socket.destroy();
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
}

const row = (name: string, ...figures: string[]) =>
  `${name.padEnd(24)}${figures.map(figure => figure.padStart(10)).join("")}`;
