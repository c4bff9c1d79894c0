import { readFile } from "node:fs/promises";
import path from "node:path";
import { parse } from "yaml";
import { usageError } from "../util/errors.js";
import type { Lesson } from "./language/lesson-schema.js";
import { loadLesson } from "./language/load-lesson.js";

/** Reads the names of the built-in lessons, in teaching order. */
export const lessonNames = async (folder: string): Promise<string[]> =>
  parse(await readFile(path.join(folder, "index.yaml"), "utf8")) as string[];

/** @param name one of `lessonNames` */
export const builtInLesson = (folder: string, name: string): Promise<Lesson> =>
  lessonFromFile(path.join(folder, `${name}.yaml`));

/** @throws UserError exit code 2 if the file can't be read, or is no lesson */
export async function lessonFromFile(file: string): Promise<Lesson> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    const why = error.code === "ENOENT" ? "there is no such file" : error.message;
    const message = `cannot read the lesson ${file}: ${why}.`;
    throw usageError("no-lesson-file", message, "List the built-in lessons: lwt-demo list");
  });
  return loadLesson(text, file);
}
