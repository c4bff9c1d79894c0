// Checks the words of documents, help, messages, lessons and comments with a terms linter and a spell checker. Fails if a
// kind of finding is more frequent than its ceiling. `--all` lists every finding, `--lower` writes the counts as ceilings,
// `--root FOLDER` checks another tree.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { lint } from "cspell";
import { createLinter, loadTextlintrc } from "textlint";
import { type Passage, proseOf } from "./extract.js";

interface Finding {
  /** `docs: prh`, `comments: spelling` … */
  name: string;
  text: string;
}

const here = import.meta.dirname;
const CEILING_FILE = path.join(here, "ceiling.json");

const { values: options } = parseArgs({
  options: { all: { type: "boolean" }, lower: { type: "boolean" }, root: { type: "string" } },
});

/** Passages that one call of the linter checks. Its time grows faster than their number. */
const BATCH = 100;

async function findTerms(passages: Passage[]): Promise<Finding[]> {
  const configFilePath = path.join(here, "textlintrc.json");
  const linter = createLinter({ descriptor: await loadTextlintrc({ configFilePath }) });
  const documents = passages.filter(({ kind }) => kind === "docs");
  const ofDocuments = documents.map(async ({ file, text }) => {
    const { messages } = await linter.lintText(text, file);
    return messages.map(each => finding("docs", each.ruleId, file, each.loc.start.line, each.message));
  });
  const others = passages.filter(({ kind }) => kind !== "docs");
  const batches = Array.from({ length: Math.ceil(others.length / BATCH) }, (_, i) =>
    others.slice(i * BATCH, (i + 1) * BATCH),
  );
  const ofOthers = batches.map(async batch => {
    const { messages } = await linter.lintText(batch.map(({ text }) => text).join("\n\n"), "passages.txt");
    return messages.flatMap(each => {
      const passage = batch[(each.loc.start.line - 1) / 2];
      return passage ? [finding(passage.kind, each.ruleId, passage.file, passage.line, each.message)] : [];
    });
  });
  return (await Promise.all([...ofDocuments, ...ofOthers])).flat();
}

async function findMisspellings(passages: Passage[]): Promise<Finding[]> {
  const folder = mkdtempSync(path.join(tmpdir(), "lwt-prose-"));
  const lines = passages.flatMap(each =>
    each.kind === "docs"
      ? withoutBlocks(each.text).map((text, i) => ({ ...each, line: i + 1, text }))
      : [each],
  );
  const findings: Finding[] = [];
  try {
    const file = path.join(folder, "prose.txt");
    writeFileSync(file, lines.map(({ text }) => text).join("\n"));
    const reporter = {
      issue: ({ text, row }: { text: string; row: number }) => {
        const { kind, file: place, line } = lines[row - 1] as Passage;
        findings.push(finding(kind, "spelling", place, line, text));
      },
    };
    const configuration = {
      config: path.join(here, "cspell.json"),
      root: folder,
      gitignore: false,
      cache: false,
    };
    const { errors } = await lint([file], { ...configuration }, reporter);
    if (errors > 0) throw new Error("the spell checker failed");
  } finally {
    rmSync(folder, { recursive: true });
  }
  return findings;
}

/** The lines of a document, empty in blocks of code. */
const withoutBlocks = (text: string): string[] =>
  text.replaceAll(/^ *```[^]*?^ *```/gm, block => block.replaceAll(/[^\n]/g, "")).split("\n");

const finding = (kind: string, rule: string, file: string, line: number, message: string): Finding => ({
  name: `${kind}: ${rule}`,
  text: `${file}:${line}  ${rule}: ${message.replace(/^Line \d+ /, "").replaceAll(/\s+/g, " ")}`,
});

const sorted = (table: Record<string, number>) =>
  Object.fromEntries(Object.entries(table).toSorted(([a], [b]) => a.localeCompare(b)));

const passages = proseOf(options.root ?? path.join(here, "..", ".."));
const findings = (await Promise.all([findTerms(passages), findMisspellings(passages)])).flat();
const counts: Record<string, number> = {};
for (const { name } of findings) counts[name] = (counts[name] ?? 0) + 1;
const ceilings = JSON.parse(readFileSync(CEILING_FILE, "utf8")) as Record<string, number>;
const names = [...new Set([...Object.keys(ceilings), ...Object.keys(counts)])].toSorted();
const above = names.filter(name => (counts[name] ?? 0) > (ceilings[name] ?? 0));
const below = names.filter(name => (counts[name] ?? 0) < (ceilings[name] ?? 0));

const shown = findings.filter(({ name }) => options.all || above.includes(name));
process.stdout.write(shown.map(({ text }) => `${text}\n`).join(""));
for (const name of names)
  process.stdout.write(
    `${name.padEnd(28)}${String(counts[name] ?? 0).padStart(5)}  ceiling ${ceilings[name] ?? 0}\n`,
  );
if (above.length > 0) {
  process.stderr.write(
    `Above the ceiling: ${above.join(", ")}. CONTRIBUTING.md, "Words", explains the rules.\n`,
  );
  process.exitCode = 1;
} else if (options.lower) writeFileSync(CEILING_FILE, `${JSON.stringify(sorted(counts), null, 2)}\n`);
else if (below.length > 0)
  process.stdout.write("Below the ceiling: npm run prose -- --lower writes these counts.\n");
