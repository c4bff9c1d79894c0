export { type CheckSettings, checkBroker } from "./conformance-check.js";
export { checkConnectivity } from "./connectivity.js";
export { KnownBrokers } from "./known-deviations.js";
export { builtInLesson, lessonFromFile, lessonNames } from "./catalogue.js";
export { loadLesson } from "./load-lesson.js";
export { type LessonPrompts, NO_PROMPTS } from "./quiz.js";
export {
  type LessonResult,
  type LessonSink,
  lessonEvent,
  type RunSettings,
  runLesson,
} from "./run-lesson.js";
export type { Lesson } from "./lesson-schema.js";
