// Runs the benchmark that is named; without a name, says which there are. They measure, and fail nothing.
import * as broker from "./broker.js";
import * as store from "./store.js";
import * as startup from "./startup.js";

const benchmarks: Record<string, { about: string; run(rounds?: number): Promise<string> }> = {
  startup,
  broker,
  store,
};

const [name = "", rounds] = process.argv.slice(2);
const benchmark = benchmarks[name];
const names = Object.entries(benchmarks).map(([each, { about }]) => `  ${each.padEnd(12)}${about}`);
const list = ["npm run bench -- NAME [ROUNDS]", ...names].join("\n");
process.stdout.write(`${benchmark ? await benchmark.run(rounds ? Number(rounds) : undefined) : list}\n`);
if (!benchmark && name) process.exitCode = 2;
