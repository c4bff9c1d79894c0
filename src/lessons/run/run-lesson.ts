import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { LessonEvent } from "../../events/events.js";
import type { Lesson } from "../language/lesson-schema.js";
import { SLIDE_NAMES, substituteNames, uniqueNames } from "../language/namespacing.js";
import { LessonRun, type RunCounts } from "./lesson-run.js";
import { type PreparedRun, prepareRun } from "./prepare-run.js";
import type { Requirement } from "./requirements.js";
import type { LessonSink, RunSettings } from "./run-settings.js";

export type LessonResult = Extract<LessonEvent, { event: "result" }>;

/**
 * Runs a lesson with real processes, and ends them all before it returns. A claim that does not hold throws nothing:
 * the `result`, which is the last event and the return value, reports it.
 * @throws UserError if the external broker can't be used
 */
export async function runLesson(
  given: Lesson,
  settings: RunSettings,
  sink: LessonSink,
): Promise<LessonResult> {
  const names = settings.external ? uniqueNames() : SLIDE_NAMES;
  const lesson = substituteNames(given, names);
  const folder = await mkdtemp(path.join(tmpdir(), "lwt-lesson-"));
  let unmet: Requirement | null = null;
  let counts = NO_COUNTS;
  try {
    const prepared = await prepareRun(lesson, names, settings, folder, sink);
    if (typeof prepared === "string") unmet = prepared;
    else counts = await performSteps(prepared, settings, sink);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
  const result = lessonResult(lesson.name, unmet, counts, settings);
  await sink(result);
  return result;
}

const NO_COUNTS: RunCounts = {
  held: 0,
  failed: 0,
  deviations: 0,
  notObserved: 0,
  predictions: 0,
  correctPredictions: 0,
};

async function performSteps(
  prepared: PreparedRun,
  settings: RunSettings,
  sink: LessonSink,
): Promise<RunCounts> {
  const run = new LessonRun(prepared, settings, sink);
  try {
    await run.play();
  } finally {
    await run.end();
  }
  return run.counts;
}

function lessonResult(
  lesson: string,
  unmet: Requirement | null,
  { held, failed, deviations, notObserved, predictions, correctPredictions }: RunCounts,
  { signal, next }: RunSettings,
): LessonResult {
  const skipped = signal.aborted ? "interrupted" : unmet;
  const passed = failed === 0 && skipped === null;
  return {
    event: "result",
    lesson,
    passed,
    held,
    failed,
    skipped,
    deviations,
    notObserved,
    next: passed ? next : null,
    predictions,
    correctPredictions,
  };
}
