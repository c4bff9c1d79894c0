export { checkBroker } from "./check/conformance-check.js";
export { checkConnectivity } from "./check/connectivity.js";
export { KnownBrokers } from "./known-deviations.js";
export { builtInLesson, lessonFromFile, lessonNames } from "./catalogue.js";
export type { LessonPrompts } from "./run/quiz.js";
export { lessonEvent } from "./lesson-event.js";
export { runLesson } from "./run/run-lesson.js";
export type { LessonSink } from "./run/run-settings.js";
export type { Lesson } from "./language/lesson-schema.js";
