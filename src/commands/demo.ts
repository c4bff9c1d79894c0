import { access, constants, writeFile } from "node:fs/promises";
import path from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { ExitCode, UserError, usageError } from "../errors.js";
import type { LessonEvent, ProcessEvent, Sink } from "../events.js";
import type { Lesson, RunSettings } from "../lessons/lessons.js";
import { demoOptions } from "../options/demo.js";
import { ladderText } from "../render/ladder.js";
import { lessonListText } from "../render/lesson-list-text.js";
import type { Renderer } from "../render/rendered.js";
import { outsideBroker } from "../settings/demo.js";
import { audienceOf } from "./audience.js";
import { nearestName } from "./nearest.js";
import { run } from "./run.js";

/** Beside dist/, where this is built to. */
const folder = (name: string) => path.join(import.meta.dirname, "..", name);
const LESSONS = folder("examples/lessons");

void run({
  name: "lwt-demo",
  synopsis: "LESSON | FILE.yaml | list",
  description: "Runs a lesson with the real commands, on a broker of its own, and checks what it claims.",
  words: 1,
  options: demoOptions,
  environment: null,
  examples: [
    ["list", "the lessons, and the claims that each is about"],
    ["offline-notification", "a machine vanishes: who tells its subscribers?"],
    ["./mine.yaml", "your own lesson"],
    ["--quiz queued", "predict what happens, then see it"],
    ["--transcript mine.md queued", "and keep what happened, as Markdown"],
    ["--broker HOST queued", "the same on another broker"],
  ],
  prepare: async ({ values }, { words: [word], screen, variables }) => {
    const { json, quiet, broker } = values;
    const common = { output: { json, quiet: false }, timeout: null, warnings: [] };
    if (word === "list")
      return { ...common, render: lessonListText(screen) as Renderer, start: sink => list(sink) };
    const outside = broker === null ? null : outsideBroker(broker, variables);
    const { lesson, next } = await lessonOf(word);
    return {
      ...common,
      outlivesTerminal: true,
      render: ladderText(screen) as Renderer,
      start: (sink, control) => {
        const leaving = new AbortController();
        const audience = audienceOf(values, control, sink, () => leaving.abort());
        const signal = AbortSignal.any([control.stop, leaving.signal]);
        const told = quiet ? essentialsOnly(sink) : sink;
        const settings = { outside, next, audience, signal };
        const { transcript } = values;
        return transcript === null
          ? play(lesson, settings, told)
          : writing(transcript, told, both => play(lesson, settings, both));
      },
    };
  },
});

/** A built-in lesson's name has neither folder nor extension. */
const isFile = (word: string) => /[\\/]|\.ya?ml$/i.test(word);

async function lessonOf(word: string | undefined): Promise<{ lesson: Lesson; next: string | null }> {
  const { builtInLesson, lessonFromFile, lessonNames } = await import("../lessons/lessons.js");
  if (word === undefined)
    throw usageError(
      "no-lesson",
      "which lesson?",
      "lwt-demo offline-notification is the first; lwt-demo list shows them all.",
    );
  if (isFile(word)) return { lesson: await lessonFromFile(word), next: null };
  const names = await lessonNames(LESSONS);
  const number = names.indexOf(word);
  if (number >= 0) return { lesson: await builtInLesson(LESSONS, word), next: names[number + 1] ?? null };
  const nearest = nearestName(word, names);
  const question = nearest ? ` Did you mean ${nearest}?` : "";
  throw usageError(
    "no-such-lesson",
    `there is no lesson ${word}.${question}`,
    `lwt-demo list shows the lessons; one of your own is a file, as in lwt-demo ./${word}.yaml`,
  );
}

async function list(sink: Sink): Promise<ExitCode> {
  const { builtInLesson, lessonEvent, lessonNames } = await import("../lessons/lessons.js");
  for (const name of await lessonNames(LESSONS)) await sink(lessonEvent(await builtInLesson(LESSONS, name)));
  return ExitCode.done;
}

async function play(
  lesson: Lesson,
  settings: Omit<RunSettings, "binDir">,
  sink: Sink<LessonEvent | ProcessEvent>,
): Promise<ExitCode> {
  const { runLesson } = await import("../lessons/lessons.js");
  const { passed, skipped } = await runLesson(lesson, { binDir: folder("bin"), ...settings }, sink);
  if (passed) return ExitCode.done;
  // Of a lesson that can't be run there nothing has held.
  return skipped === "interrupted" ? ExitCode.leftEarly : ExitCode.failed;
}

/** Writes a transcript of what passes to the file, also of a lesson that fails or is left. */
async function writing(
  file: string,
  sink: Sink<LessonEvent | ProcessEvent>,
  play: (sink: Sink<LessonEvent | ProcessEvent>) => Promise<ExitCode>,
): Promise<ExitCode> {
  const { Transcript } = await import("../render/transcript.js");
  const cantWrite = ({ code }: NodeJS.ErrnoException) => {
    const why = code === "EISDIR" ? "it is a folder" : code === "ENOENT" ? "its folder is not there" : code;
    const message = `the transcript ${file} can't be written: ${why}.`;
    throw new UserError("transcript", message, "Give a file in a folder of yours: --transcript mine.md");
  };
  await access(file, constants.W_OK).catch(() => writeFile(file, "").catch(cantWrite)); // before a class has waited
  const { node } = process.versions;
  const made = `mqtt-lwt-lab ${packageJson.version}, Node.js ${node}, ${process.platform}`;
  const transcript = new Transcript(made);
  try {
    return await play(event => {
      transcript.add({ time: new Date().toISOString(), ...event });
      return sink(event);
    });
  } finally {
    await writeFile(file, transcript.text()).catch(cantWrite);
  }
}

/** With --quiet: how it ended, and what didn't hold. */
const essentialsOnly =
  (sink: Sink<LessonEvent | ProcessEvent>): Sink<LessonEvent | ProcessEvent> =>
  event =>
    event.event === "result" || event.event === "error" || (event.event === "expected" && !event.held)
      ? sink(event)
      : undefined;
