import { readFileSync } from "node:fs";
import path from "node:path";
import { missing } from "../support/processes.js";
import { type BenchBroker, startBrokers } from "./brokers.js";
import { type Contestant, contest } from "./contest.js";
import { binDir } from "../support/paths.js";

export const about = "process start to exit, as multiples of `node -e 0`";

export const limits = `As multiples of the processor time of \`node -e 0\`, on a busy machine: a program that writes its packets to node:net by
hand took 1.3, mqtt.js bundled in the same way and with nothing else 1.6, pub-lwt 2.0. What pub-lwt adds is in a profile
the parser of yargs (0.13), the compilation of its bundles (0.15), and settings, text and events, each function of which
runs for the first time. Taken out so far: bundling gave 95 ms; mqtt-packet's table of numbers 32 ms; string-width at
load 22 ms; an arrow in the heading, for which ICU read its rules for graphemes, an eighth of one message's time; taking
the heap apart at the exit 7 %; and together 30 ms of processor time all but the parser of yargs, SOCKS and WebSocket
code where plain TCP is used, node:crypto, chalk, dotenv, standard input where nobody reads it, lru-cache and debug.
Tried, and hard to tell from noise: minifying, 0 to 4 %; V8's options for its heap and its compilers, nothing. No wait is
left but those for CONNACK, PUBACK and the broker's end of the connection: the time is the processor's.`;

/** Medians of fewer tell little. */
const ROUNDS = 20;

const PEERS = ["mosquitto", "mosquitto_pub", "mosquitto_sub"];

interface Row extends Contestant {
  name: string;
  broker?: string;
  /** The multiple of the floor that is aimed at. */
  toReach?: number;
}

const floor: Row = { name: "node -e 0", program: process.execPath, args: ["-e", "0"] };

const ours = (name: string, ...args: string[]): Contestant => ({
  program: process.execPath,
  args: [path.join(binDir, `${name}.cjs`), ...args],
});

const alone: Row[] = [
  { name: "pub-lwt --version", ...ours("pub-lwt", "--version"), toReach: 1.25 },
  { name: "pub-lwt --help", ...ours("pub-lwt", "--help"), toReach: 2.4 },
  {
    name: "lwt-broker, listening",
    ...ours("lwt-broker", "--port", "0", "--json"),
    until: '"listening"',
    toReach: 2.6,
  },
];

const MESSAGE = ["-q", "1", "-t", "bench/message", "-m", "x"];
const SUBSCRIPTION = ["-q", "1", "-t", "bench/subscription"];

const withBroker = ({ name, port }: BenchBroker): Row[] => {
  const at = ["-h", "127.0.0.1", "-p", String(port)];
  const rows: Row[] = [
    {
      name: "pub-lwt, one message",
      ...ours("pub-lwt", ...at, ...MESSAGE, "--no-status", "-C", "1"),
      toReach: 2.8,
    },
    {
      name: "sub-lwt --subscribe-only",
      ...ours("sub-lwt", ...at, ...SUBSCRIPTION, "--subscribe-only"),
      toReach: 2.9,
    },
    { name: "mosquitto_pub, one message", program: "mosquitto_pub", args: [...at, ...MESSAGE] },
    {
      name: "mosquitto_sub -E",
      program: "mosquitto_sub",
      args: [...at, ...SUBSCRIPTION, "-E", "-c", "-i", "MosquittoSub"],
    },
    {
      name: "mqtt pub, one message",
      program: process.execPath,
      args: [mqttCommand(), "pub", ...at, ...MESSAGE],
    },
  ];
  return rows.map(row => ({ ...row, broker: name }));
};

/** mqtt.js' own command. */
function mqttCommand(): string {
  const folder = path.join(binDir, "..", "node_modules", "mqtt");
  const { bin } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8")) as {
    bin: { mqtt: string };
  };
  return path.join(folder, bin.mqtt);
}

export async function run(rounds = ROUNDS): Promise<string> {
  const absent = PEERS.filter(program => missing(program, ["-h"]));
  const brokers = await startBrokers(absent);
  try {
    const rows = [floor, ...alone, ...brokers.flatMap(withBroker)];
    const taking = rows.filter(({ program }) => !absent.includes(program));
    const medians = await contest(taking, rounds);
    const skipped = absent.map(program => `${program} is not installed: skipped`);
    const head = `Node ${process.versions.node}, medians of ${rounds} rounds`;
    return [head, ...table(taking, medians), ...skipped].join("\n");
  } finally {
    await Promise.all(brokers.map(broker => broker.stop()));
  }
}

function table(rows: Row[], medians: number[]): string[] {
  const floorMedian = medians[0] ?? Number.NaN;
  return [
    line("job", "broker", "ms", "x floor", "to reach"),
    ...rows.map(({ name, broker = "", toReach }, i) => {
      const median = medians[i] ?? Number.NaN;
      const multiple = (median / floorMedian).toFixed(2);
      return line(name, broker, median.toFixed(1), multiple, toReach === undefined ? "" : `<= ${toReach}`);
    }),
  ];
}

const line = (name: string, broker: string, ms: string, multiple: string, toReach: string) =>
  `${name.padEnd(30)}${broker.padEnd(14)}${ms.padStart(7)}${multiple.padStart(10)}${toReach.padStart(11)}`.trimEnd();
