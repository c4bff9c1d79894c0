import { readFile } from "node:fs/promises";
import path from "node:path";
import { parse } from "yaml";
import { usageError } from "../util/errors.js";
import { loadLesson } from "./language/load-lesson.js";
import type { Lesson } from "./language/lesson-schema.js";

/** The names of the lessons in that folder, in teaching order, from its list; each is a file. */
export const lessonNames = async (folder: string): Promise<string[]> =>
  parse(await readFile(path.join(folder, "index.yaml"), "utf8")) as string[];

/** A built-in lesson; the name is one of `lessonNames`. */
export const builtInLesson = (folder: string, name: string): Promise<Lesson> =>
  lessonFromFile(path.join(folder, `${name}.yaml`));

/** A lesson from any file. Throws a usage error if it can't be read, or isn't one. */
export async function lessonFromFile(file: string): Promise<Lesson> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    const why = error.code === "ENOENT" ? "there is no such file" : error.message;
    const message = `the lesson ${file} can't be read: ${why}.`;
    throw usageError("no-lesson-file", message, "lwt-demo list shows the built-in lessons.");
  });
  return loadLesson(text, file);
}
