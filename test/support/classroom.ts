// A class on one broker: for each student a pub-lwt and a sub-lwt, as on a laptop of his own. Each has a state folder of
// its own, so that its names get a suffix of their own, and knows the broker by an address that is not its own: what it
// sends there goes to a port of this machine.
import { cpuOf, memoryOf } from "../bench/proc.js";
import type { ReceivedSummary } from "../../src/events/events.js";
import { command, type Owner, rerouted, type Running, temporaryFolder } from "./processes.js";

/** The teacher's computer, as the students' commands know it: an address that is kept for documents (RFC 5737). */
const TEACHER = "192.0.2.10";

/** The client ID of the teacher's `sub-lwt --table`. */
const TABLE = "Teacher";

/** Seconds to connect in. Laptops have a processor each; here sixty processes share those of one machine. */
const CONNECT_TIMEOUT_SECONDS = "300";

/** How the machines end; the broker's word for why. A third of the class each. */
export const WAYS = {
  network: "network-error",
  "keep-alive": "keep-alive-timeout",
  "no-disconnect": "connection-closed",
} as const;
type Way = keyof typeof WAYS;
const WAY_NAMES = Object.keys(WAYS) as Way[];

interface Course {
  students: number;
  /** Milliseconds within which all of them start. */
  startWithin: number;
  /** More words for pub-lwt. */
  pub?: string[];
  /** Readings before it fails. */
  after: number;
}

/** One student's observations of the student's own machine. */
export interface Story {
  way: Way;
  machine: string;
  /** `online live`, `#1 live`, …: what sub-lwt told of it. */
  seen: string[];
  /** The expected values of `seen`. */
  due: string[];
  /** From sub-lwt's summary of the machine. */
  missing: number | undefined;
  duplicate: number | undefined;
  /** pub-lwt's: 0 if its witness saw the will. */
  exit: number | string;
  /** Its error message. */
  error: string | undefined;
  /**
   * Wills that the broker sent of it before: on a machine that is too busy a client gives up an attempt to connect that the
   * broker has answered already.
   */
  attempts: number;
  /** Why the broker sent the last will. */
  cause: string | undefined;
}

interface Cost {
  /** MB at the most, for the largest. */
  memory: number;
  /** Milliseconds of processor time, of all. */
  cpu: number;
}

export interface ClassReport {
  stories: Story[];
  /** From the first start to the last subscription. */
  startedWithin: number;
  /** The last screen of the teacher's `sub-lwt --table`. */
  table: string;
  costs: Record<"lwt-broker" | "pub-lwt" | "sub-lwt" | "sub-lwt --table", Cost>;
  /** In all, in milliseconds. */
  lasted: number;
}

export const isRight = ({ seen, due, missing, duplicate, exit, way, cause }: Story): boolean =>
  seen.join() === due.join() && missing === 0 && duplicate === 0 && exit === 0 && cause === WAYS[way];

/** Holds the class. Takes as long as the slowest way to fail. */
export async function holdClass(t: Owner, course: Course): Promise<ClassReport> {
  const { students, startWithin } = course;
  const since = performance.now();
  const broker = command(t, "lwt-broker", ["--port", "0"]);
  const { url } = await broker.event("listening");
  const port = Number(new URL(url).port);
  const table = command(t, "sub-lwt", ["-p", String(port), "--table", "-i", TABLE], { json: false });
  await broker.outputHas('"topicFilter":"sensors/lastwill"');
  const tableCost = watchCost(table);
  const started = performance.now();
  const pairs = await Promise.all(
    Array.from({ length: students }, async (_, i) => {
      await new Promise(resolve => setTimeout(resolve, (i * startWithin) / students));
      return study(t, WAY_NAMES[i % WAY_NAMES.length] ?? "network", port, course);
    }),
  );
  // This is the last message to the table, so all others arrive before it.
  await acknowledged(t, broker, port);
  table.child.send("stop");
  await table.exit();
  const wills = broker.all("will-published");
  return {
    stories: pairs.map(pair => storyOf(pair, wills, course)),
    startedWithin: Math.max(...pairs.map(({ subscribedAt }) => subscribedAt)) - started,
    table: table.stdout,
    costs: {
      "lwt-broker": costOf(broker),
      "pub-lwt": sumOf(pairs.map(({ pubCost }) => pubCost())),
      "sub-lwt": sumOf(pairs.map(({ subCost }) => subCost)),
      "sub-lwt --table": tableCost(),
    },
    lasted: performance.now() - since,
  };
}

/** Kept when the table has acknowledged a marker. */
async function acknowledged(t: Owner, broker: Running, port: number): Promise<void> {
  const marker = "Binil/Marker/SensorData";
  const pub = command(t, "pub-lwt", ["-p", String(port), "-t", marker, "-m", "marker", "--no-status"]);
  await pub.exit();
  await broker.event("message-acknowledged", { clientId: TABLE, topic: marker });
}

interface Pair {
  way: Way;
  sub: Running;
  pub: Running;
  exit: number | string;
  subscribedAt: number;
  subCost: Cost;
  pubCost: () => Cost;
}

/** One student's hour: subscribes, publishes until it fails, has seen the will, and leaves. */
async function study(t: Owner, way: Way, port: number, course: Course): Promise<Pair> {
  const laptop = { cwd: temporaryFolder(t), env: rerouted({ [`${TEACHER}:1883`]: port }) };
  const shared = ["-h", TEACHER, "--connect-timeout", CONNECT_TIMEOUT_SECONDS];
  const sub = command(t, "sub-lwt", shared, laptop);
  await sub.outputHas('"topicFilter":"sensors/lastwill"');
  const subscribedAt = performance.now();
  const failing = ["--fail", way, "--after", String(course.after), ...(course.pub ?? [])];
  const pub = command(t, "pub-lwt", [...shared, ...failing], laptop);
  const pubCost = watchCost(pub);
  const exit = await pub.exit();
  // Not by reading all events again whenever one more comes: that is much for one process that listens to sixty.
  if (exit === 0) await sub.outputHas(new RegExp(`"machine":"${machineOf(pub)}","state":"offline"`));
  const subCost = costOf(sub);
  sub.child.send("stop");
  await sub.exit();
  return { way, sub, pub, exit, subscribedAt, subCost, pubCost };
}

function storyOf(
  { way, sub, pub, exit }: Pair,
  wills: { clientId: string; cause: string }[],
  { after }: Course,
): Story {
  const machine = machineOf(pub);
  const seen = sub.events.flatMap(event => {
    if (event.event === "status" && event.machine === machine) return `${event.state} ${event.delivery}`;
    const isReading = event.event === "message" && event.machine === machine && event.seq !== null;
    return isReading ? `#${event.seq} ${event.delivery}` : [];
  });
  const readings = Array.from({ length: after }, (_, i) => `#${i + 1} live`);
  const summaries = sub.all("summary").flatMap(({ machines }) => machines as ReceivedSummary[]);
  const { missing, duplicate } = summaries.find(each => each.machine === machine) ?? {};
  const causes = wills.filter(({ clientId }) => clientId === machine).map(({ cause }) => cause);
  const attempts = Math.max(0, causes.length - 1);
  const before = Array.from({ length: attempts }, () => "offline live");
  const due = [...before, "online live", ...readings, "offline live"];
  return {
    way,
    machine,
    seen,
    due,
    missing,
    duplicate,
    exit,
    error: pub.all("error")[0]?.message,
    attempts,
    cause: causes.at(-1),
  };
}

const machineOf = (pub: Running) => pub.all("connected")[0]?.clientId ?? "";

const costOf = ({ child: { pid = 0 } }: Running): Cost => ({ memory: memoryOf(pid), cpu: cpuOf(pid) });

/** Of a process that ends by itself: what it had cost when it last said something. */
function watchCost(run: Running): () => Cost {
  let last: Cost = { memory: Number.NaN, cpu: Number.NaN };
  const look = () => {
    const cost = costOf(run);
    if (!Number.isNaN(cost.memory)) last = cost;
  };
  for (const stream of [run.child.stdout, run.child.stderr]) stream?.on("data", look);
  return () => last;
}

const sumOf = (costs: Cost[]): Cost => ({
  memory: Math.max(...costs.map(({ memory }) => memory)),
  cpu: costs.reduce((sum, { cpu }) => sum + cpu, 0),
});
