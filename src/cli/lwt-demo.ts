import { ExitCode } from "../util/errors.js";
import { demoOptions } from "../config/options/demo-options.js";
import { lessonListText } from "../render/lesson-list-text.js";
import type { Renderer } from "../render/renderer.js";
import { checkDemoUse } from "../config/settings/demo-settings.js";
import { checkJob } from "./lwt-demo-check.js";
import { lessonJob } from "./lwt-demo-lesson.js";
import { LESSONS_DIR } from "./paths.js";
import { runCommand } from "./run-command.js";
import type { Job } from "./run-job.js";

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
  const { builtInLesson, lessonEvent, lessonNames } = await import("../lessons/lessons.js");
  for (const name of await lessonNames(LESSONS_DIR))
    await sink(lessonEvent(await builtInLesson(LESSONS_DIR, name)));
  return ExitCode.done;
};
