// Runs the benchmark that is named; without a name, says which there are. They measure, and fail nothing.
import * as broker from "./broker.js";
import * as fleet from "./fleet.js";
import * as store from "./store.js";
import * as startup from "./startup.js";
import * as throughput from "./throughput.js";

const benchmarks: Record<string, { about: string; run(rounds?: number, isLong?: boolean): Promise<string> }> =
  {
    startup,
    broker,
    store,
    throughput,
    fleet,
  };

const [name = "", ...more] = process.argv.slice(2);
const rounds = more.find(word => /^\d+$/.test(word));
const benchmark = benchmarks[name];
const names = Object.entries(benchmarks).map(([each, { about }]) => `  ${each.padEnd(12)}${about}`);
const list = ["npm run bench -- NAME [ROUNDS] [--long]", ...names].join("\n");
const measured = benchmark?.run(rounds ? Number(rounds) : undefined, more.includes("--long"));
process.stdout.write(`${measured ? await measured : list}\n`);
if (!benchmark && name) process.exitCode = 2;
