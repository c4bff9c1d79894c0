import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type LoggingBroker, startLogging } from "./brokers.js";
import { compareFlow, type Flow } from "./flow.js";

export const about = "what lwt-broker's own log costs";

export const limits = `Of the events that come with every message lwt-broker tells at most 2000 a second, and counts the rest: that bounds what
its log can cost. Lines are gathered into one write a turn of the event loop.`;

const ROUNDS = 3;
const kind = { publishers: 1, subscribers: 1, messages: 50_000 };
const QUIET = "--quiet";
const logs = [QUIET, "text", "--json"];

export async function run(rounds = ROUNDS): Promise<string> {
  const folder = mkdtempSync(path.join(tmpdir(), "lwt-bench-"));
  const parts = [
    `Node ${process.versions.node}, one to one, 50 k of 100 bytes, 1000 in flight; medians of ${rounds}`,
    "rounds in turn; a pipe is read as fast as it fills; MB at most",
  ];
  try {
    for (const store of ["in memory", "--data"]) {
      const data = (log: string) =>
        store === "--data" ? ["--data", path.join(folder, log.replaceAll(/\W/g, ""))] : [];
      const brokers = await start(folder, data);
      const title: Flow = { name: `${store}, QoS 1`, ...kind };
      parts.push("", ...(await compareFlow(title, brokers, [QUIET], rounds)));
      await Promise.all(brokers.map(broker => broker.stop()));
    }
    return parts.join("\n");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Each log into a pipe, and into a file. */
function start(folder: string, data: (log: string) => string[]): Promise<LoggingBroker[]> {
  return Promise.all(
    logs.flatMap(log => {
      const args = log === "text" ? [] : [log];
      const piped = startLogging(log, [...args, ...data(log)]);
      if (log === QUIET) return [piped];
      const name = `${log} > FILE`;
      const file = openSync(path.join(folder, "log"), "w");
      const filed = startLogging(name, [...args, ...data(name)], { stdout: file }).finally(() =>
        closeSync(file),
      );
      return [piped.then(reading), filed];
    }),
  );
}

function reading(broker: LoggingBroker): LoggingBroker {
  broker.log?.resume();
  return { ...broker, name: `${broker.name} | reader` };
}
