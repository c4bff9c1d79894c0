import { ExitCode } from "../util/errors.js";
import { demoOptions } from "../config/options/demo-options.js";
import { lessonListText } from "../render/lesson-list-text.js";
import type { Renderer } from "../render/renderer.js";
import { checkDemoUse } from "../config/settings/demo-settings.js";
import { checkJob } from "./lwt-demo-check.js";
import { lessonJob } from "./lwt-demo-lesson.js";
import { LESSONS_DIR } from "./paths.js";
import { shellQuote } from "../util/shell-quote.js";
import { runCommand } from "./run-command.js";
import type { Job } from "./run-job.js";

void runCommand({
  name: "lwt-demo",
  synopsis: "LESSON | FILE.yaml | list | check",
  description: "Run a lesson with the real commands on a broker of its own, and check its claims.",
  words: 1,
  options: demoOptions,
  environment: null,
  exitCodes: [[130, "interrupted"]],
  examples: [
    ["list", "list the lessons and the claim of each"],
    ["offline-notification", "run a lesson: a machine fails"],
    ["./mine.yaml", "run your own lesson"],
    ["--quiz queued", "predict what happens, then see it"],
    ["--transcript mine.md queued", "write the run as Markdown"],
    ["--broker HOST queued", "run the lesson on another broker"],
    ["check --broker HOST", "check a broker with all lessons"],
    ["check --connectivity", "try which ports reach a broker"],
  ],
  suggestFor: ([word = "", ...more]) =>
    `Name one lesson: lwt-demo ${shellQuote(word === "run" ? (more[0] ?? word) : word)}`,
  prepare: async ({ values }, context) => {
    const [word] = context.words;
    checkDemoUse(values, word);
    const common = { output: { json: values.json, quiet: false }, timeout: null, warnings: [] };
    if (word === "list")
      return { ...common, render: lessonListText(context.screen) as Renderer, start: list };
    const job = await (word === "check" ? checkJob : lessonJob)(values, context);
    return { ...common, outlivesTerminal: true, ...job };
  },
});

const list: Job["start"] = async sink => {
  const { builtInLesson, Claims, lessonEvent, lessonNames } = await import("../lessons/lessons.js");
  const names = await lessonNames(LESSONS_DIR);
  const lessons = await Promise.all(names.map(name => builtInLesson(LESSONS_DIR, name)));
  const slideClaims = await Claims.load(LESSONS_DIR);
  for (const claim of slideClaims.eventsOf(lessons)) await sink(claim);
  for (const lesson of lessons) await sink(lessonEvent(lesson));
  return ExitCode.done;
};
