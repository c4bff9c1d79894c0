import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { missing } from "../support/processes.js";
import { startStores } from "./brokers.js";
import { compareFlow, type Flow } from "./flow.js";

export const about = "one publisher to 100 subscribers, and 100 publishers to one";

export const limits = `All subscribers are in the benchmark's own process, which shares the machine with the broker; the processor time a
delivery is the broker's alone. From 100 publishers each delivery has a message behind it that was received and
acknowledged; and with ten in flight each, fewer of them go into one read or write than from a single publisher.`;

const ROUNDS = 3;
const PEERS = ["mosquitto"];
const flows: Flow[] = [
  { name: "1 to 100, 1 k messages", publishers: 1, subscribers: 100, messages: 1_000 },
  { name: "100 to 1, 50 k messages", publishers: 100, subscribers: 1, messages: 50_000 },
];

export async function run(rounds = ROUNDS): Promise<string> {
  const absent = PEERS.filter(program => missing(program, ["-h"]));
  if (absent.length > 0) return `${absent.join(" and ")} not installed: there is nothing to measure with`;
  const folder = mkdtempSync(path.join(tmpdir(), "lwt-bench-"));
  const brokers = await startStores(folder);
  try {
    const parts = [
      `Node ${process.versions.node}, QoS 1, 100 bytes, 1000 in flight in all; medians of ${rounds} in turn.`,
      "lwt-broker in memory, and with --data in both ways; Mosquitto as for store;",
      "k/s and us of the broker's processor time: by delivery; MB at most",
    ];
    for (const kind of flows)
      parts.push("", ...(await compareFlow(kind, brokers, ["stock aedes", "Mosquitto"], rounds)));
    return parts.join("\n");
  } finally {
    await Promise.all(brokers.map(broker => broker.stop()));
    rmSync(folder, { recursive: true, force: true });
  }
}
