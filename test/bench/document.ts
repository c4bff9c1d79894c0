import { writeFileSync } from "node:fs";
import { arch, cpus, loadavg, platform, totalmem } from "node:os";
import path from "node:path";

/** A benchmark's printed table, and what is known of it. */
export interface Measured {
  name: string;
  about: string;
  /** What limits the figures: from profiles. */
  limits: string;
  table: string;
}

const FILE = path.join(import.meta.dirname, "..", "..", "docs", "performance.md");

/** Writes docs/performance.md from one run of all benchmarks. */
export function writeDocument(all: Measured[], loadBefore: number): void {
  const parts = all.map(
    ({ name, about, limits, table }) =>
      `## npm run bench -- ${name}\n\n${sentence(about)}\n\n\`\`\`text\n${table}\n\`\`\`\n\n${limits}\n`,
  );
  writeFileSync(FILE, `${introduction(loadBefore)}\n${parts.join("\n")}`);
}

const introduction = (loadBefore: number) => `# Performance

\`npm run bench -- all\` has measured this and written it here, in one run, on ${new Date().toISOString().slice(0, 10)}:
${cpus().length} processors (${cpus()[0]?.model.trim() ?? "unknown"}), ${Math.round(totalmem() / 2 ** 30)} GiB, ${platform()} ${arch()}, Node ${process.versions.node}; load ${loadBefore.toFixed(1)}
before it, ${loadavg()[0]?.toFixed(1)} after. Contestants take turns within a round. The figures of such a machine drift by a third from hour to
hour, so compare the ratios within a table, which are what is aimed at; in brackets, or as "to reach", stands the aim.
`;

const sentence = (about: string) => `${about[0]?.toUpperCase()}${about.slice(1)}.`;
