// Runs `npm test`, and reports how much of src/ has run: in the commands, which the tests start as processes, and in the
// code that the tests import. Fails below the floor. coverage/index.html shows each line.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type CoverageFile, CoverageReport, type V8CoverageEntry } from "monocart-coverage-reports";

/** Percent, over all folders. Raise it with the coverage. A line that has run in part does not count. */
const FLOOR = { lines: 94.5, branches: 90, functions: 94.5 };

type Metric = keyof typeof FLOOR;
const METRICS = Object.keys(FLOOR) as Metric[];

/** The beginning of node's summary, which ends the tests' output. */
const SUMMARY = /^(#|\u2139) tests \d+$/m;

const root = path.join(import.meta.dirname, "..");
const folder = mkdtempSync(path.join(tmpdir(), "lwt-coverage-"));
try {
  const npm = process.env["npm_execpath"];
  if (!npm) throw new Error("to be run by npm: npm run coverage");
  const tests = spawn(process.execPath, [npm, "test", "--", ...process.argv.slice(2)], {
    cwd: root,
    env: { ...process.env, NODE_V8_COVERAGE: folder },
    stdio: ["inherit", "pipe", "inherit"],
  });
  let output = "";
  tests.stdout.setEncoding("utf8").on("data", (text: string) => {
    process.stdout.write(text);
    output += text;
  });
  const [status] = (await once(tests, "close")) as [number | null];
  const below = belowFloor(await measureCoverage());
  // Once more, since readers look for the tests' summary at the end.
  process.stdout.write(`\n${output.slice(output.search(SUMMARY))}`);
  if (below.length > 0) process.stderr.write(`Coverage has fallen below its floor: ${below.join(", ")}.\n`);
  process.exitCode = status === 0 ? below.length : 1;
} finally {
  rmSync(folder, { recursive: true });
}

async function measureCoverage(): Promise<CoverageFile[]> {
  const report = new CoverageReport({
    baseDir: root,
    outputDir: path.join(root, "coverage"),
    reports: "v8",
    logging: "error",
    sourceFilter: file => file.startsWith("src/"),
  });
  for (const file of readdirSync(folder)) {
    const entries = entriesIn(path.join(folder, file)).flatMap(entry => {
      const source = sourceOf(entry.url);
      return source ? [{ ...entry, ...source }] : [];
    });
    if (entries.length > 0) await report.add(entries);
  }
  return (await report.generate())?.files ?? [];
}

/** Returns none from the cut-off file of a process that was killed while it wrote. */
function entriesIn(file: string): V8CoverageEntry[] {
  try {
    return (JSON.parse(readFileSync(file, "utf8")) as { result: V8CoverageEntry[] }).result;
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

/** Returns the bundle of a command or of a test, with its source map. */
function sourceOf(url: string): { source: string; sourceMap: unknown } | undefined {
  if (!url.startsWith("file:")) return undefined;
  const file = fileURLToPath(url);
  const isBundle = /^(dist|test.built)\b/.test(path.relative(root, file)) && existsSync(`${file}.map`);
  if (!isBundle) return undefined;
  return {
    source: readFileSync(file, "utf8"),
    sourceMap: JSON.parse(readFileSync(`${file}.map`, "utf8")) as unknown,
  };
}

/** Prints a line for each folder and the total. Returns the metrics whose total is below the floor. */
function belowFloor(files: CoverageFile[]): Metric[] {
  const folders = [...new Set(files.map(({ sourcePath }) => path.dirname(sourcePath)))].toSorted();
  const line = (name: string, cells: string[]) =>
    process.stdout.write(`${name.padEnd(16)}${cells.map(cell => cell.padStart(11)).join("")}\n`);
  const shares = (some: CoverageFile[]) => METRICS.map(metric => `${percent(some, metric).toFixed(1)} %`);
  line("coverage", METRICS);
  for (const each of folders)
    line(each, shares(files.filter(file => path.dirname(file.sourcePath) === each)));
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
