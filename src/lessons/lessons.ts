export { type CheckSettings, checkBroker } from "./check/conformance-check.js";
export { checkConnectivity } from "./check/connectivity.js";
export { KnownBrokers } from "./known-deviations.js";
export { builtInLesson, lessonFromFile, lessonNames } from "./catalogue.js";
export { loadLesson } from "./language/load-lesson.js";
export { type LessonPrompts, NO_PROMPTS } from "./run/quiz.js";
export { lessonEvent } from "./lesson-event.js";
export {
  type LessonResult,
  type LessonSink,
  type RunSettings,
  runLesson,
} from "./run/run-lesson.js";
export type { Lesson } from "./language/lesson-schema.js";
