// Runs the tests, and tells how much of src/ they have run: in the commands, which they start as processes, and in what
// they import. Fails below the floor. The lines themselves are in coverage/index.html.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type CoverageFile, CoverageReport, type V8CoverageEntry } from "monocart-coverage-reports";
import { compiled } from "./coverage-hooks.js";

/** Percent, over all rooms; to be raised with what is reached. A line that has run in part only does not count. */
const FLOOR = { lines: 94.5, branches: 90, functions: 94.5 };

type Metric = keyof typeof FLOOR;
const METRICS = Object.keys(FLOOR) as Metric[];

/** Run what others run too: on other brokers, or again and again. `npm test` has them. */
const REPEATING = [
  "aedes-defects",
  "bench",
  "chaos",
  "class",
  "exercises",
  "fuzz",
  "lessons-mosquitto",
  "teaching",
];

const tests = readdirSync(import.meta.dirname)
  .filter(name => name.endsWith(".test.ts") && !REPEATING.includes(name.replace(".test.ts", "")))
  .map(name => path.join(import.meta.dirname, name));

const root = path.join(import.meta.dirname, "..");
const folder = mkdtempSync(path.join(tmpdir(), "lwt-coverage-"));
try {
  const { status } = spawnSync(process.execPath, ["--import", "tsx", "test/run.ts", ...tests], {
    cwd: root,
    env: { ...process.env, NODE_V8_COVERAGE: folder },
    stdio: "inherit",
  });
  const below = belowFloor(await measured());
  if (below.length > 0) process.stderr.write(`Coverage has fallen below its floor: ${below.join(", ")}.\n`);
  process.exitCode = status === 0 ? below.length : 1;
} finally {
  rmSync(folder, { recursive: true });
}

async function measured(): Promise<CoverageFile[]> {
  const report = new CoverageReport({
    baseDir: root,
    outputDir: path.join(root, "coverage"),
    reports: "v8",
    logging: "error",
    sourceFilter: file => file.startsWith("src/"),
  });
  for (const file of readdirSync(folder)) {
    const ours = entriesIn(path.join(folder, file)).flatMap(entry => {
      const source = sourceOf(entry.url);
      return source ? [{ ...entry, ...source }] : [];
    });
    if (ours.length > 0) await report.add(ours);
  }
  return (await report.generate())?.files ?? [];
}

/** A process that was killed while it wrote its own has left it cut off: what it ran does not count. */
function entriesIn(file: string): V8CoverageEntry[] {
  try {
    return (JSON.parse(readFileSync(file, "utf8")) as { result: V8CoverageEntry[] }).result;
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

/** What has run, and where it comes from: a bundle, or what coverage-hooks.ts made of a source. */
function sourceOf(url: string): { source: string; sourceMap: unknown } | undefined {
  if (!url.startsWith("file:")) return undefined;
  const file = path.relative(root, fileURLToPath(url));
  if (/^dist.[a-z-]+\.c?js$/.test(file))
    return { source: readFileSync(file, "utf8"), sourceMap: JSON.parse(readFileSync(`${file}.map`, "utf8")) };
  if (!/^src\b.*\.ts$/.test(file)) return undefined;
  const { code, map } = compiled(fileURLToPath(url));
  return { source: code, sourceMap: JSON.parse(map) };
}

/** Prints a line for each room, and the total; gives what of the total is below the floor. */
function belowFloor(files: CoverageFile[]): Metric[] {
  const rooms = [...new Set(files.map(({ sourcePath }) => path.dirname(sourcePath)))].toSorted();
  const line = (name: string, cells: string[]) =>
    process.stdout.write(`${name.padEnd(16)}${cells.map(cell => cell.padStart(11)).join("")}\n`);
  const shares = (some: CoverageFile[]) => METRICS.map(metric => `${percent(some, metric).toFixed(1)} %`);
  line("coverage", METRICS);
  for (const room of rooms) line(room, shares(files.filter(file => path.dirname(file.sourcePath) === room)));
  line("total", shares(files));
  line(
    "floor",
    METRICS.map(metric => `${FLOOR[metric].toFixed(1)} %`),
  );
  return METRICS.filter(metric => percent(files, metric) < FLOOR[metric]);
}

function percent(files: CoverageFile[], metric: Metric): number {
  const sum = (count: "covered" | "total") =>
    files.reduce((all, { summary }) => all + summary[metric][count], 0);
  return (100 * sum("covered")) / (sum("total") || 1);
}
