import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { arch, cpus, loadavg, platform, totalmem } from "node:os";
import path from "node:path";
import { UPSTREAM } from "./upstream.js";

/** A benchmark's printed table, and what is known of it. */
export interface Measured {
  name: string;
  about: string;
  /** The limits of the figures, from profiles. */
  limits: string;
  table: string;
}

const FILE = path.join(import.meta.dirname, "..", "..", "docs", "performance.md");
const titleOf = (name: string) => `## npm run bench -- ${name}`;

const INTRODUCTION = `# Performance

Measured and written by the benchmarks themselves: \`npm run bench -- all --long\`, or one of them with \`--write\`.
Contestants take turns within a round. The figures of such a machine drift by a third from hour to hour, so compare the
ratios within a table, which are what is aimed at; in brackets, or as "to reach", stands the aim.
`;

/** Puts what one run has measured in its place in docs/performance.md, and leaves the other benchmarks' sections. */
export function writeSection({ name, about, limits, table }: Measured, loadBefore: number): void {
  const before = existsSync(FILE) ? readFileSync(FILE, "utf8") : "";
  const sections = before.split(/^(?=## )/m);
  const measured = sections.filter(section => section.startsWith(titleOf("")));
  const isOwn = (section: string) => section.startsWith(`${titleOf(name)}\n`);
  const what = `${about[0]?.toUpperCase()}${about.slice(1)}.`;
  const own = `${titleOf(name)}\n\n${what}\n\n\`\`\`text\n${table}\n\n${machine(loadBefore)}\n\`\`\`\n\n${limits}\n`;
  const known = measured.some(isOwn) ? measured : [...measured, own];
  const all = known.map(section => (isOwn(section) ? own : `${section.trimEnd()}\n`));
  writeFileSync(FILE, [INTRODUCTION, ...all, UPSTREAM].join("\n"));
}

function machine(loadBefore: number): string {
  const { model = "" } = cpus()[0] ?? {};
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  const load = `load ${loadBefore.toFixed(1)} before, ${loadavg()[0]?.toFixed(1)} after`;
  return `${new Date().toISOString().slice(0, 10)}, ${cpus().length} x ${model.trim()}, ${memory}, ${platform()} ${arch()}; ${load}`;
}
