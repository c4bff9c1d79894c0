import packageJson from "../../package.json" with { type: "json" };
import { ExitCode, usageError } from "../util/errors.js";
import type { CheckEvent, Event, LessonEvent, ProcessEvent, Sink } from "../events/events.js";
import type { Lesson, RunSettings } from "../lessons/lessons.js";
import { demoOptions } from "../config/options/demo-options.js";
import { sequenceDiagram } from "../render/sequence-diagram/sequence-diagram.js";
import { lessonListText } from "../render/lesson-list-text.js";
import type { Renderer } from "../render/renderer.js";
import { checkDemoUse, outsideBroker } from "../config/settings/demo-settings.js";
import { lessonPrompts } from "./lesson-prompts.js";
import { BIN_DIR, LESSONS_DIR } from "./paths.js";
import { nearestName } from "./suggestions.js";
import { runCommand } from "./run-command.js";
import { openTextFile } from "./writable-file.js";

void runCommand({
  name: "lwt-demo",
  synopsis: "LESSON | FILE.yaml | list | check",
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
    ["check --broker HOST", "all of them: does it keep what MQTT promises?"],
    ["check --connectivity", "which ways lead out of this network?"],
  ],
  prepare: async ({ values }, { words: [word], screen, variables }) => {
    checkDemoUse(values, word);
    const { json, quiet, broker } = values;
    const common = { output: { json, quiet: false }, timeout: null, warnings: [] };
    if (word === "list")
      return { ...common, render: lessonListText(screen) as Renderer, start: sink => list(sink) };
    if (word === "check") {
      const { runCheck } = await import("./lwt-demo-check.js");
      const { checkText } = await import("../render/check-text.js");
      const check = await runCheck(values, variables);
      return {
        ...common,
        outlivesTerminal: true,
        render: checkText(screen) as Renderer,
        start: (sink, { stop }) => check(quiet ? verdictOnly(sink) : sink, stop),
      };
    }
    const outside = broker === null ? null : outsideBroker(broker, variables);
    const { KnownBrokers } = await import("../lessons/lessons.js");
    const knownBrokers = await KnownBrokers.load(LESSONS_DIR);
    const product = values.as === null ? null : knownBrokers.productNamed(values.as);
    const { lesson, next } = await lessonOf(word);
    return {
      ...common,
      outlivesTerminal: true,
      render: sequenceDiagram(screen) as Renderer,
      start: (sink, control) => {
        const leaving = new AbortController();
        const audience = lessonPrompts(values, control, sink, () => leaving.abort());
        const signal = AbortSignal.any([control.stop, leaving.signal]);
        const told = quiet ? essentialsOnly(sink) : sink;
        const { transcript, "on-disk": onDisk } = values;
        const place = { binDir: BIN_DIR, external: outside, onDisk, product, knownBrokers, brokerInfo: null };
        const play = (sink: Sink<LessonEvent | ProcessEvent>) =>
          playLesson(lesson, { ...place, next, prompts: audience, signal }, sink);
        return transcript === null ? play(told) : writing(transcript, told, play);
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
  const names = await lessonNames(LESSONS_DIR);
  const number = names.indexOf(word);
  if (number >= 0) return { lesson: await builtInLesson(LESSONS_DIR, word), next: names[number + 1] ?? null };
  const nearest = nearestName(word, [...names, "list", "check"]);
  const question = nearest ? ` Did you mean ${nearest}?` : "";
  throw usageError(
    "no-such-lesson",
    `there is no lesson ${word}.${question}`,
    `lwt-demo list shows the lessons; one of your own is a file, as in lwt-demo ./${word}.yaml`,
  );
}

async function list(sink: Sink): Promise<ExitCode> {
  const { builtInLesson, lessonEvent, lessonNames } = await import("../lessons/lessons.js");
  for (const name of await lessonNames(LESSONS_DIR))
    await sink(lessonEvent(await builtInLesson(LESSONS_DIR, name)));
  return ExitCode.done;
}

async function playLesson(
  lesson: Lesson,
  settings: RunSettings,
  sink: Sink<LessonEvent | ProcessEvent>,
): Promise<ExitCode> {
  const { runLesson } = await import("../lessons/lessons.js");
  const { passed, skipped } = await runLesson(lesson, settings, sink);
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
  const write = await openTextFile(file, "transcript", "--transcript mine.md");
  const { node } = process.versions;
  const made = `mqtt-lwt-lab ${packageJson.version}, Node.js ${node}, ${process.platform}`;
  const transcript = new Transcript(made);
  try {
    return await play(event => {
      transcript.add({ time: new Date().toISOString(), ...event });
      return sink(event);
    });
  } finally {
    await write(transcript.text());
  }
}

/** With --quiet: how it ended, and what didn't hold. */
const essentialsOnly =
  (sink: Sink<LessonEvent | ProcessEvent>): Sink<LessonEvent | ProcessEvent> =>
  event =>
    event.event === "result" || event.event === "error" || (event.event === "expected" && !event.held)
      ? sink(event)
      : undefined;

/** With --quiet: the verdict, and what is not held. */
const verdictOnly =
  (sink: Sink): Sink<CheckEvent> =>
  (event: Event) =>
    event.event === "check" ||
    event.event === "connectivity" ||
    event.event === "error" ||
    (event.event === "checked" && event.outcome !== "held")
      ? sink(event)
      : undefined;
