// Writes every generated document: `npm run docs`. A test compares them with the code.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { lessonJsonSchema } from "../src/lessons/language/lesson-schema.js";
import { envExample } from "./docs/env-example.js";
import { table } from "./docs/markdown.js";
import { pages } from "./docs/pages.js";
import { SIZING_HEAD, sizingRows } from "./docs/sizing.js";

const root = path.join(import.meta.dirname, "..");
const SIZING_PAGE = "docs/how-to/size-a-broker.md";
const SIZING_TABLE = /(?<=<!-- sizing -->\n)[^]*?(?=<!-- \/sizing -->)/;

/** Returns the text of a file by its path from the root; empty if there is no such file. */
export const written = (file: string): string =>
  existsSync(path.join(root, file)) ? readFileSync(path.join(root, file), "utf8") : "";

/** Returns the text that each generated file must have, by its path from the root. */
export const generated = (): Record<string, string> => ({
  ".env.example": envExample(),
  "examples/lessons/lesson.schema.json": `${JSON.stringify(lessonJsonSchema(), null, 2)}\n`,
  [SIZING_PAGE]: written(SIZING_PAGE).replace(
    SIZING_TABLE,
    () => `\n${table([SIZING_HEAD, ...sizingRows()])}\n\n`,
  ),
  ...Object.fromEntries(Object.entries(pages()).map(([page, text]) => [`docs/reference/${page}`, text])),
});

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const [file, text] of Object.entries(generated())) writeFileSync(path.join(root, file), text);
