import packageJson from "../../package.json" with { type: "json" };
import { ExitCode, usageError } from "../util/errors.js";
import type { LessonEvent, ProcessEvent, Sink } from "../events/events.js";
import type { Lesson, LessonSink } from "../lessons/lessons.js";
import type { demoOptions } from "../config/options/demo-options.js";
import type { Values } from "../config/options/option.js";
import { outsideBroker } from "../config/settings/demo-settings.js";
import type { Renderer } from "../render/renderer.js";
import { sequenceDiagram } from "../render/sequence-diagram/sequence-diagram.js";
import { lessonPrompts } from "./lesson-prompts.js";
import { BIN_DIR, LESSONS_DIR } from "./paths.js";
import type { CommandContext } from "./run-command.js";
import type { Job } from "./run-job.js";
import { shellQuote } from "../util/shell-quote.js";
import { nearestName } from "./suggestions.js";
import { writeDocument } from "./writable-file.js";

/** Prepares `lwt-demo LESSON`. @throws UserError exit code 2 */
export async function lessonJob(
  values: Values<typeof demoOptions>,
  { words: [word], screen, variables, platform, nodeVersion }: CommandContext,
) {
  const external = values.broker === null ? null : outsideBroker(values.broker, variables);
  const { Claims, KnownBrokers, runLesson } = await import("../lessons/lessons.js");
  const knownBrokers = await KnownBrokers.load(LESSONS_DIR);
  const slideClaims = await Claims.load(LESSONS_DIR);
  const product = values.as === null ? null : knownBrokers.productNamed(values.as);
  const { lesson, next } = await lessonOf(word);
  const { transcript: file, "on-disk": onDisk } = values;
  const lists = { knownBrokers, slideClaims };
  const common = { binDir: BIN_DIR, external, onDisk, product, ...lists, brokerInfo: null, next };
  return {
    render: sequenceDiagram(screen) as Renderer,
    start: async (sink, context) => {
      const leaving = new AbortController();
      const prompts = lessonPrompts(values, context, sink, () => leaving.abort());
      const signal = AbortSignal.any([context.stop, leaving.signal]);
      const run = async (to: LessonSink) => {
        const { passed, skipped } = await runLesson(lesson, { ...common, prompts, signal }, to);
        if (passed) return ExitCode.done;
        return skipped === "interrupted" ? ExitCode.leftEarly : ExitCode.failed; // skipped: no claim has held
      };
      const shown = values.quiet ? quietSink(sink) : sink;
      if (file === null) return run(shown);
      const { Transcript } = await import("../render/transcript.js");
      const madeWith = `mqtt-lwt-lab ${packageJson.version}, Node.js ${nodeVersion}, ${platform}`;
      const target = { file, kind: "transcript", example: "--transcript mine.md" };
      return writeDocument<LessonEvent | ProcessEvent, ExitCode>(
        target,
        new Transcript(madeWith),
        shown,
        run,
      );
    },
  } satisfies Pick<Job, "render" | "start">;
}

/** A built-in lesson's name has neither folder nor extension. */
const isFile = (word: string) => /[\\/]|\.ya?ml$/i.test(word);

async function lessonOf(word: string | undefined): Promise<{ lesson: Lesson; next: string | null }> {
  const { builtInLesson, lessonFromFile, lessonNames } = await import("../lessons/lessons.js");
  if (word === undefined)
    throw usageError(
      "no-lesson",
      "no lesson is named.",
      "Start with lwt-demo offline-notification, or list all: lwt-demo list",
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
    `List the lessons: lwt-demo list. For a file of your own: lwt-demo ${shellQuote(`./${word}.yaml`)}`,
  );
}

/** With --quiet: the result, and claims that did not hold. */
const quietSink =
  (sink: Sink<LessonEvent | ProcessEvent>): LessonSink =>
  event =>
    event.event === "result" || event.event === "error" || (event.event === "expected" && !event.held)
      ? sink(event)
      : undefined;
