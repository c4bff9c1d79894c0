export { type CheckSettings, checkBroker } from "./check.js";
export { checkConnectivity } from "./connectivity.js";
export { KnownBrokers } from "./deviations.js";
export { builtInLesson, lessonFromFile, lessonNames } from "./catalogue.js";
export { loadLesson } from "./load.js";
export { type Audience, NOBODY } from "./predictions.js";
export { type LessonResult, type LessonSink, lessonEvent, type RunSettings, runLesson } from "./run.js";
export type { Lesson } from "./schema.js";
