import { type Document, isNode, LineCounter, parseDocument, visit } from "yaml";
import type { z } from "zod";
import { usageError } from "../../util/errors.js";
import { type Lesson, lessonSchema } from "./lesson-schema.js";

/** Parses a lesson. @throws UserError exit code 2, with file, line and column */
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
      "See docs/reference/lesson-format.md for every step and key, and examples/lessons for examples.",
    );

  const [broken] = document.errors;
  if (broken) throw fail(broken.pos[0], broken.message);
  const [gap, ...more] = gapsIn(document);
  if (gap !== undefined)
    throw usageError(
      "gaps",
      at(gap, `fill in ${GAP} (1 of ${more.length + 1}).`),
      "Read the question in the comment above it, replace it, and run the lesson again.",
    );
  const parsed = lessonSchema.safeParse(plainData(document, fail), { error: messageFor });
  if (parsed.success) return parsed.data;
  const { path, message } = firstProblem(parsed.error);
  const key = path.at(-1);
  throw fail(offsetOf(document, path), typeof key === "string" ? `${key}: ${message}` : message);
}

/** Marks the place of an answer in an exercise. */
const GAP = "___";

/** Returns the offset of each gap. */
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

/** Converts YAML to plain data. The parser refuses aliases that multiply without end, since lesson files are shared. */
function plainData(document: Document.Parsed, fail: (offset: number, what: string) => Error): unknown {
  try {
    return document.toJS();
  } catch (error) {
    throw fail(0, error instanceof Error ? error.message : String(error));
  }
}

/** YAML's words for zod's types. */
const TYPE_NAMES: Record<string, string> = {
  array: "a list, as in [S3]",
  object: "a mapping, key: value",
  string: "text",
  number: "a number",
};

/** Returns the message for a problem that has none in the schema. */
const messageFor: z.core.$ZodErrorMap = issue => {
  if (issue.code === "unrecognized_keys") return `there is no key ${issue.keys.join(", ")} here`;
  if (issue.input === undefined) return "this is missing";
  return issue.code === "invalid_type"
    ? `this must be ${TYPE_NAMES[issue.expected] ?? issue.expected}`
    : undefined;
};

/** Returns the first problem. Its path leaves out `kind`, which is not in the file, and ends with an unknown key. */
function firstProblem(error: z.ZodError): { path: PropertyKey[]; message: string } {
  // A misspelt key causes two problems, and the second is that the right key is missing.
  const issue = error.issues.find(({ code }) => code === "unrecognized_keys") ?? error.issues[0];
  if (!issue) throw error;
  const unknown = issue.code === "unrecognized_keys" ? issue.keys.slice(0, 1) : [];
  return { path: [...issue.path.filter(key => key !== "kind"), ...unknown], message: issue.message };
}

/** Returns the offset of the value at that path, or of the innermost value around it that exists. */
function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number {
  for (let depth = path.length; depth >= 0; depth--) {
    const node = document.getIn(path.slice(0, depth), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}
