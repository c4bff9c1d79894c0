export { type CheckSettings, checkBroker } from "./check/conformance-check.js";
export { checkConnectivity } from "./check/connectivity.js";
export { KnownBrokers } from "./known-deviations.js";
export { builtInLesson, lessonFromFile, lessonNames } from "./catalogue.js";
export { loadLesson } from "./language/load-lesson.js";
export { type LessonPrompts, NO_PROMPTS } from "./run/quiz.js";
export {
  type LessonResult,
  type LessonSink,
  lessonEvent,
  type RunSettings,
  runLesson,
} from "./run/run-lesson.js";
export type { Lesson } from "./language/lesson-schema.js";
