// Runs the benchmark that is named; without a name, says which there are. They measure, and fail nothing.
import { loadavg } from "node:os";
import * as broker from "./broker.js";
import * as classroom from "./class.js";
import { writeSection } from "./document.js";
import * as door from "./door.js";
import * as drain from "./drain.js";
import * as fan from "./fan.js";
import * as fleet from "./fleet.js";
import * as log from "./log.js";
import * as memory from "./memory.js";
import * as login from "./login.js";
import * as profile from "./profile.js";
import { progress } from "./progress.js";
import * as slow from "./slow.js";
import * as startup from "./startup.js";
import * as store from "./store.js";
import * as throughput from "./throughput.js";
import { endChildren } from "../support/end-children.js";

endChildren();

interface Benchmark {
  about: string;
  /** The limits of the figures, from profiles. */
  limits: string;
  run(rounds?: number, isLong?: boolean): Promise<string>;
}

const benchmarks: Record<string, Benchmark> = {
  startup,
  broker,
  store,
  throughput,
  fleet,
  door,
  drain,
  fan,
  log,
  memory,
  slow,
  login,
  profile,
  class: classroom,
};

const [name = "", ...more] = process.argv.slice(2);
const rounds = more.find(word => /^\d+$/.test(word));
const isLong = more.includes("--long");
const isAll = name === "all";
const chosen = Object.entries(benchmarks).filter(([each]) => isAll || each === name);

for (const [each, benchmark] of chosen) {
  const load = loadavg()[0] ?? Number.NaN;
  if (isAll) progress(each);
  const table = await benchmark.run(rounds ? Number(rounds) : undefined, isLong);
  const { about, limits } = benchmark;
  if (isAll || more.includes("--write")) writeSection({ name: each, about, limits, table }, load);
  process.stdout.write(`${table}\n`);
}

if (chosen.length === 0) {
  const names = Object.entries(benchmarks).map(([each, { about }]) => `  ${each.padEnd(12)}${about}`);
  const list = [
    "npm run bench -- NAME [ROUNDS] [--long] [--write]",
    ...names,
    "  all         all of these, in ten minutes; with --long in half an hour",
    "--write puts the table into docs/reference/benchmarks.md, as all does",
  ];
  process.stdout.write(`${list.join("\n")}\n`);
  if (name) process.exitCode = 2;
}
