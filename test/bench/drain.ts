import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { missing } from "../support/processes.js";
import { ends, median } from "./broker.js";
import { type BenchBroker, startStores } from "./brokers.js";
import { ours, startMeasured } from "./measured.js";
import { progress } from "./progress.js";
import { WindowedPublisher } from "./windowed-publisher.js";

export const about = "queued messages, to the last: each client from each broker; --long: 100 000";

export const limits = `A bare mqtt.js program that takes what was queued spends nearly half of its time on its acknowledgments, one write each:
see "For upstream"; sub-lwt writes those of one turn of the event loop together. Stock aedes searches arrays from the front for each acknowledgment, so that its time grows with the square of
the queue.`;

const QUEUED = 20_000;
const QUEUED_LONG = 100_000;
const IN_FLIGHT = 1000;
const PEERS = ["mosquitto", "mosquitto_sub"];
/** Of the time that the same client needs from Mosquitto, by broker. */
const TO_REACH: Record<string, number> = { memory: 1.6, write: 3, disk: 3 };

/** One that takes what is queued in a stored session, and ends. */
interface Client {
  name: string;
  command(port: string, session: string, topic: string, count: string): string[];
}

const bare = [process.execPath, path.join(import.meta.dirname, "bare-client.mjs")];
const MOSQUITTO: Client = {
  name: "mosquitto_sub",
  command: (port, id, topic, count) =>
    `mosquitto_sub -p ${port} -i ${id} -c -q 1 -t ${topic} -C ${count}`.split(" "),
};
const BARE: Client = {
  name: "bare mqtt.js",
  command: (port, id, topic, count) => [...bare, "sub", port, "1", topic, count, id],
};
const subLwt = (name: string, ...more: string[]): Client => ({
  name,
  command: (port, id, topic, count) => [
    ...ours("sub-lwt"),
    ..."-p -i -t -C".split(" ").flatMap((option, i) => [option, [port, id, topic, count][i] ?? ""]),
    ...more,
  ],
});
const clients = [
  MOSQUITTO,
  BARE,
  subLwt("sub-lwt --quiet", "--quiet"),
  subLwt("sub-lwt --json > FILE", "--json"),
  subLwt("sub-lwt > FILE"),
];

interface Ran {
  milliseconds: number;
  /** Microseconds of the client's processor time a message. */
  cpu: number;
  /** The client's, at most, in MB. */
  memory: number;
}

export async function run(rounds?: number, isLong = false): Promise<string> {
  const absent = PEERS.filter(program => missing(program, ["-h"]));
  if (absent.length > 0) return `${absent.join(" and ")} not installed: there is nothing to measure with`;
  const [queued, turns] = [isLong ? QUEUED_LONG : QUEUED, rounds ?? (isLong ? 3 : 1)];
  const folder = mkdtempSync(path.join(tmpdir(), "lwt-bench-"));
  const brokers = await startStores(folder);
  const ran = new Map<string, Ran[]>();
  try {
    for (let round = 1; round <= turns; round++)
      for (const client of clients)
        for (const broker of brokers) {
          progress(`round ${round} of ${turns}: ${client.name} from ${broker.name}`);
          const key = keyOf(client, broker.name);
          ran.set(key, [...(ran.get(key) ?? []), await drain(client, broker, queued, folder)]);
        }
  } finally {
    await Promise.all(brokers.map(broker => broker.stop()));
    rmSync(folder, { recursive: true, force: true });
  }
  return [
    `Node ${process.versions.node}, ${queued / 1000} k queued, QoS 1, 100 bytes; from start to exit,`,
    `medians of ${turns} in turn. lwt-broker in memory, and with --data in both ways;`,
    "Mosquitto with its database, 1000 in flight. us: the client's processor time a",
    "message; x Mosquitto: to the same client's time from there",
    ...brokers.flatMap(({ name }) => ["", ...tableOf(name, ran)]),
  ].join("\n");
}

const keyOf = ({ name }: Client, broker: string) => `${name} from ${broker}`;

let sessions = 0;

/** Each in a session and on a topic of its own, so that nothing of another is left in it. */
async function drain(client: Client, { port }: BenchBroker, queued: number, folder: string): Promise<Ran> {
  sessions += 1;
  const [session, topic] = [`Drained${sessions}`, `bench/drain/${sessions}`];
  const args = ["-p", String(port), "-i", session, "-c", "-q", "1", "-t", topic, "-E"];
  await ends("mosquitto_sub", args);
  await WindowedPublisher.publish(port, [topic], queued, IN_FLIGHT);
  const stdout = openSync(path.join(folder, "stdout"), "w");
  const command = client.command(String(port), session, topic, String(queued));
  const { samples, ended } = startMeasured(command, ["ignore", stdout, "ignore"]);
  const milliseconds = await ended;
  closeSync(stdout);
  const memory = Math.max(...samples.map(sample => sample.memory));
  return { milliseconds, cpu: (1000 * (samples.at(-1)?.cpu ?? Number.NaN)) / queued, memory };
}

function tableOf(broker: string, ran: Map<string, Ran[]>): string[] {
  const runsOf = (client: Client, from: string) => ran.get(keyOf(client, from)) ?? [];
  const time = (client: Client, from = broker) =>
    median(runsOf(client, from).map(({ milliseconds }) => milliseconds));
  const limit = TO_REACH[broker];
  return [
    row(`from ${broker}`, "ms", "x Mosquitto", "x mosquitto_sub", "x bare", "us", "MB"),
    ...clients.map(client => {
      const aim = limit !== undefined && client.name.startsWith("sub-lwt") ? ` (<= ${limit.toFixed(1)})` : "";
      return row(
        client.name,
        time(client).toFixed(0),
        (time(client) / time(client, "Mosquitto")).toFixed(2) + aim,
        (time(client) / time(MOSQUITTO)).toFixed(2),
        (time(client) / time(BARE)).toFixed(2),
        median(runsOf(client, broker).map(({ cpu }) => cpu)).toFixed(1),
        Math.max(...runsOf(client, broker).map(({ memory }) => memory)).toFixed(0),
      );
    }),
  ];
}

const row = (...[name, ms, peer, mosquitto, mqttjs, cpu, memory]: string[]) =>
  `${name?.padEnd(22)}${ms?.padStart(7)}${peer?.padStart(16)}${mosquitto?.padStart(16)}${mqttjs?.padStart(8)}${cpu?.padStart(6)}${memory?.padStart(5)}`;
