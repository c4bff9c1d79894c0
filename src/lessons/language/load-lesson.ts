import { type Document, isNode, LineCounter, parseDocument, visit } from "yaml";
import type { z } from "zod";
import { usageError } from "../../util/errors.js";
import { type Lesson, lessonSchema } from "./lesson-schema.js";

/** A lesson from its YAML. Throws a usage error that names file, line and column. */
export function loadLesson(text: string, fileName: string): Lesson {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number, what: string) => {
    const { line, col } = lines.linePos(offset);
    return `${fileName}:${line}:${col}: ${what}`;
  };
  const fail = (offset: number, what: string) =>
    usageError(
      "bad-lesson",
      at(offset, what),
      "docs/lessons.md has every step and key; the built-in lessons in examples/lessons use them.",
    );

  const [broken] = document.errors;
  if (broken) throw fail(broken.pos[0], broken.message);
  const [gap, ...more] = gapsIn(document);
  if (gap !== undefined)
    throw usageError(
      "gaps",
      at(gap, `${GAP} is for you to fill in (1 of ${more.length + 1}).`),
      "What is asked stands in the comment above it. Then run it again.",
    );
  const parsed = lessonSchema.safeParse(plainData(document, fail), { error: wording });
  if (parsed.success) return parsed.data;
  const { path, message } = firstOf(parsed.error);
  const key = path.at(-1);
  throw fail(offsetOf(document, path), typeof key === "string" ? `${key}: ${message}` : message);
}

/** In an exercise, where an answer is to stand. */
const GAP = "___";

/** Where they are. */
function gapsIn(document: Document.Parsed): number[] {
  const found: number[] = [];
  visit(document, {
    Scalar: (_, { value, range, source = "" }) => {
      if (typeof value === "string" && value.includes(GAP) && range)
        found.push(range[0] + Math.max(0, source.indexOf(GAP)));
    },
  });
  return found;
}

/** Aliases that multiply without end are refused by the parser here: lesson files get passed around. */
function plainData(document: Document.Parsed, fail: (offset: number, what: string) => Error): unknown {
  try {
    return document.toJS();
  } catch (error) {
    throw fail(0, error instanceof Error ? error.message : String(error));
  }
}

/** As YAML calls them. */
const KINDS: Record<string, string> = {
  array: "a list, as in [S3]",
  object: "a mapping, key: value",
  string: "text",
  number: "a number",
};

/** Where the schema doesn't word a problem itself. */
const wording: z.core.$ZodErrorMap = issue => {
  if (issue.code === "unrecognized_keys") return `there is no key ${issue.keys.join(", ")} here`;
  if (issue.input === undefined) return "this is missing";
  return issue.code === "invalid_type"
    ? `this must be ${KINDS[issue.expected] ?? issue.expected}`
    : undefined;
};

/** The first problem, as a path that exists for the reader: `kind` is ours, and an unknown key is named. */
function firstOf(error: z.ZodError): { path: PropertyKey[]; message: string } {
  // A misspelt key is missing too, where it should be.
  const issue = error.issues.find(({ code }) => code === "unrecognized_keys") ?? error.issues[0];
  if (!issue) throw error;
  const unknown = issue.code === "unrecognized_keys" ? issue.keys.slice(0, 1) : [];
  return { path: [...issue.path.filter(key => key !== "kind"), ...unknown], message: issue.message };
}

/** Where the thing at that path begins; for a missing one, where what should hold it begins. */
function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number {
  for (let depth = path.length; depth >= 0; depth--) {
    const node = document.getIn(path.slice(0, depth), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}
