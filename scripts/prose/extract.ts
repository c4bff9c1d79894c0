// Extracts the prose of the repository: documents, and the help, messages, lessons and comments in the code.
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";

/** A text with its place. Documents are whole files, other passages are on one line. */
export interface Passage {
  kind: "docs" | "help" | "messages" | "lessons" | "comments";
  file: string;
  line: number;
  text: string;
}

/** Generated pages: `npm run prose` checks the code that they come from. */
const GENERATED = /^docs\/reference\/(?!lesson-format)/;
const CODE = /\.(ts|mjs|cjs)$/;

/** Returns all prose below a folder. */
export function proseOf(root: string): Passage[] {
  const filesIn = (folder: string, wanted: RegExp) =>
    readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
      .map(file => path.posix.join(folder, file.replaceAll(path.sep, "/")))
      .filter(file => wanted.test(file) && !file.startsWith("test/built/"))
      .toSorted();
  const read = (file: string) => readFileSync(path.join(root, file), "utf8");
  const documents = [...readdirSync(root).filter(file => file.endsWith(".md")), ...filesIn("docs", /\.md$/)];
  const code = ["src", "scripts", "test", "examples", "bin"].flatMap(folder => filesIn(folder, CODE));
  return [
    ...documents
      .filter(file => !GENERATED.test(file))
      .map(file => ({ kind: "docs" as const, file, line: 1, text: read(file) })),
    ...filesIn("src", CODE).flatMap(file => stringsIn(file, read(file))),
    ...filesIn("examples", /\.yaml$/).flatMap(file => lessonTexts(file, read(file))),
    ...[...code, "build.mjs"].flatMap(file => commentsIn(file, read(file))),
  ];
}

const lineAt = (source: string, offset: number) => source.slice(0, offset).split("\n").length;
const onOneLine = (text: string) => text.replaceAll(/\s+/g, " ").trim();

const BLOCK = /\/\*\*?(?<block>[^]*?)\*\//;
/** Whole lines that follow each other are one comment. */
const LINES = /^[ \t]*\/\/.*(?:\n[ \t]*\/\/.*)*/;
const TRAILING = /(?<=[;,{})\]] )\/\/.*$/;
const COMMENT = new RegExp(`${BLOCK.source}|${LINES.source}|${TRAILING.source}`, "gm");
const DIRECTIVE = /^(?:oxlint-disable\S*|biome-ignore)[^-]*(?:-- )?/;

function commentsIn(file: string, source: string): Passage[] {
  return [...source.matchAll(COMMENT)].map(match => {
    const block = match.groups?.["block"];
    const text =
      block === undefined ? match[0].replaceAll(/^[ \t]*\/\/ ?/gm, "") : block.replaceAll(/^\s*\* ?/gm, "");
    return {
      kind: "comments",
      file,
      line: lineAt(source, match.index),
      text: onOneLine(text).replace(DIRECTIVE, ""),
    };
  });
}

const LITERAL = /"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`/g;
const blank = (text: string) => text.replaceAll(/[^\n]/g, " ");

/** Extracts texts of two words or more. `…` stands for an inserted value. */
function stringsIn(file: string, source: string): Passage[] {
  const code = source.replaceAll(COMMENT, blank).replaceAll(/^(?:import|export) .* from ".*";$/gm, blank);
  const kind = file.includes("/options/") ? "help" : "messages";
  return [...code.matchAll(LITERAL)]
    .map(
      match =>
        ({
          kind,
          file,
          line: lineAt(source, match.index),
          text: onOneLine(
            (match[1] ?? match[2] ?? "")
              .replaceAll(/\$\{(?:[^{}]|\{[^{}]*\})*\}/g, "…")
              .replaceAll(/\\(.)/g, "$1"),
          ),
        }) as const,
    )
    .filter(({ text }) => /[a-z]{2,} [a-z]/i.test(text));
}

const TEXT_KEYS = ["title", "say", "predict", "choices", "because", "what", "reason"];

function lessonTexts(file: string, source: string): Passage[] {
  const texts: string[] = [];
  const visit = (value: unknown, key: string): void => {
    if (typeof value === "string" && TEXT_KEYS.includes(key)) texts.push(value);
    else if (Array.isArray(value)) for (const each of value) visit(each, key);
    else if (value !== null && typeof value === "object")
      for (const [name, each] of Object.entries(value)) visit(each, name);
  };
  const document: unknown = parse(source);
  if (file.endsWith("claims.yaml")) texts.push(...Object.values(document as Record<string, string>));
  visit(document, "");
  return texts.map(text => ({
    kind: "lessons",
    file,
    line: Math.max(1, lineAt(source, source.indexOf(text.split(" ").slice(0, 4).join(" ")))),
    text: onOneLine(text),
  }));
}
