import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { startLogging } from "./brokers.js";
import { CountingSubscriber } from "./counting-subscriber.js";
import { ours, startMeasured } from "./measured.js";
import { progress } from "./progress.js";
import { WindowedPublisher } from "./windowed-publisher.js";

export const about = "where the processor time of a message goes, by package";

export const limits = `Node's share is mostly writing to sockets. What is ours: for pub-lwt making readings and keeping count of them, for sub-lwt
reading the payload and writing JSON, for lwt-broker its queues and its log.`;

const MESSAGES = 100_000;
const IN_FLIGHT = 1000;
const TOPIC = "bench/profile";
/** Functions of each that are named. */
const MAX_NAMED = 8;
const ENDLESS = ["--json", "--max-queued", "1000000"];

/** V8's output of --cpu-prof: the function that ran at each sample. */
interface Profile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[];
  samples: number[];
}

interface Contestant {
  name: string;
  /** @param profiling arguments of Node, for whom is to be profiled */
  run(profiling: string[]): Promise<unknown>;
}

const client = ([node = "", ...command]: string[], profiling: string[], port: number, ...more: string[]) =>
  startMeasured([node, ...profiling, ...command, "-p", String(port), "-t", TOPIC, ...more], "ignore").ended;

const count = ["-C", String(MESSAGES)];

const contestants: Contestant[] = [
  {
    name: "pub-lwt --interval 0 --quiet",
    run: async profiling => {
      const broker = await startLogging("lwt-broker", ["--quiet"]);
      const options = ["--interval", "0", "--quiet", "--no-status", ...count];
      await client(ours("pub-lwt"), profiling, broker.port, ...options);
      await broker.stop();
    },
  },
  ...["--quiet", "--json"].map(output => ({
    name: `sub-lwt ${output}`,
    run: async (profiling: string[]) => {
      const broker = await startLogging("lwt-broker", ENDLESS);
      broker.log?.resume();
      await client(ours("sub-lwt"), [], broker.port, "-i", "Profiled", "--subscribe-only", "--quiet");
      await WindowedPublisher.publish(broker.port, [TOPIC], MESSAGES, IN_FLIGHT);
      await client(ours("sub-lwt"), profiling, broker.port, "-i", "Profiled", output, ...count);
      await broker.stop();
    },
  })),
  ...[[], ["--data"]].map(data => ({
    name: ["lwt-broker --json", ...data].join(" "),
    run: async (profiling: string[]) => {
      const folder = mkdtempSync(path.join(tmpdir(), "lwt-bench-"));
      const broker = await startLogging(
        "lwt-broker",
        ["--json", ...data.flatMap(option => [option, folder])],
        {
          node: profiling,
        },
      );
      broker.log?.resume();
      const subscriber = await CountingSubscriber.start(broker.port, "Counting", TOPIC, 1);
      const all = subscriber.reaches(MESSAGES);
      await Promise.all([all, WindowedPublisher.publish(broker.port, [TOPIC], MESSAGES, IN_FLIGHT)]);
      subscriber.end();
      await broker.stop();
      rmSync(folder, { recursive: true });
    },
  })),
];

export async function run(): Promise<string> {
  const folder = mkdtempSync(path.join(tmpdir(), "lwt-bench-"));
  const parts = [
    `Node ${process.versions.node}, ${MESSAGES / 1000} k messages of 100 bytes at QoS 1; % of the time that it was`,
    "not idle, by --cpu-prof; Node: its own JavaScript, system calls, V8's built-ins",
  ];
  try {
    for (const [i, contestant] of contestants.entries()) {
      const { name } = contestant;
      progress(name);
      const own = path.join(folder, String(i));
      await contestant.run(["--cpu-prof", `--cpu-prof-dir=${own}`]);
      const [file = ""] = readdirSync(own);
      const taken = JSON.parse(readFileSync(path.join(own, file), "utf8")) as Profile;
      parts.push("", name, ...tableOf(taken));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return parts.join("\n");
}

function tableOf({ nodes, samples }: Profile): string[] {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const [owners, functions] = [new Map<string, number>(), new Map<string, number>()];
  let all = 0;
  for (const id of samples) {
    const { functionName = "", url = "", lineNumber = 0 } = frames.get(id) ?? {};
    if (["(idle)", "(root)"].includes(functionName)) continue;
    all += 1;
    const owner = functionName === "(garbage collector)" ? "garbage" : ownerOf(url, lineNumber);
    add(owners, owner);
    if (owner !== "garbage") add(functions, `${owner}: ${functionName || "(anonymous)"}`);
  }
  const shares = (counts: Map<string, number>, most: number) =>
    [...counts]
      .toSorted(([, a], [, b]) => b - a)
      .slice(0, most)
      .map(([name, times]) => `${name} ${((100 * times) / all).toFixed(1)}`);
  return [...wrapped(shares(owners, 10), "  "), ...wrapped(shares(functions, MAX_NAMED), "    ")];
}

const add = (counts: Map<string, number>, key: string) => counts.set(key, (counts.get(key) ?? 0) + 1);

function wrapped(words: string[], indent: string): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 2 + word.length <= 80)
      lines[lines.length - 1] = `${last}, ${word}`;
    else lines.push(indent + word);
  }
  return lines;
}

/** Of each line of a bundle: esbuild writes above each module which file it is. */
const bundles = new Map<string, string[]>();

function ownerOf(url: string, line: number): string {
  if (!url.includes("/dist/")) return "Node";
  const owners = bundles.get(url) ?? ownersIn(readFileSync(new URL(url), "utf8"));
  bundles.set(url, owners);
  return owners[line] ?? "ours";
}

function ownersIn(bundle: string): string[] {
  let owner = "ours";
  return bundle.split("\n").map(line => {
    const [, module] = /^\/\/ (\S+\.[cm]?[jt]s)$/.exec(line) ?? [];
    if (module) owner = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(module)?.[1] ?? "ours";
    return owner;
  });
}
