// Runs the benchmark that is named; without a name, says which there are. They measure, and fail nothing.
import { loadavg } from "node:os";
import * as broker from "./broker.js";
import { writeDocument } from "./document.js";
import * as fleet from "./fleet.js";
import { progress } from "./progress.js";
import * as startup from "./startup.js";
import * as store from "./store.js";
import * as throughput from "./throughput.js";

interface Benchmark {
  about: string;
  /** What limits the figures, as profiles show. */
  limits: string;
  run(rounds?: number, isLong?: boolean): Promise<string>;
}

const benchmarks: Record<string, Benchmark> = { startup, broker, store, throughput, fleet };

/** Takes a quarter of an hour. */
async function all(isLong: boolean): Promise<string> {
  const load = loadavg()[0] ?? Number.NaN;
  const measured = [];
  for (const [name, each] of Object.entries(benchmarks)) {
    progress(name);
    measured.push({ name, about: each.about, limits: each.limits, table: await each.run(undefined, isLong) });
  }
  writeDocument(measured, load);
  return measured.map(({ table }) => table).join("\n\n");
}

const [name = "", ...more] = process.argv.slice(2);
const rounds = more.find(word => /^\d+$/.test(word));
const isLong = more.includes("--long");
const benchmark = benchmarks[name];
const names = Object.entries(benchmarks).map(([each, { about }]) => `  ${each.padEnd(12)}${about}`);
const list = [
  "npm run bench -- NAME [ROUNDS] [--long]",
  ...names,
  "  all         all of these, into docs/performance.md",
];
const running = name === "all" ? all(isLong) : benchmark?.run(rounds ? Number(rounds) : undefined, isLong);
process.stdout.write(`${running ? await running : list.join("\n")}\n`);
if (!running && name) process.exitCode = 2;
