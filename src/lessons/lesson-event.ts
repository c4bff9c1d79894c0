import type { LessonEvent } from "../events/events.js";
import { BROKER } from "./language/constants.js";
import type { Lesson } from "./language/lesson-schema.js";

/**
 * Describes a lesson and its participants: the broker first, then each process once.
 * @param broker the address of a broker that is not bundled
 */
export function lessonEvent(
  { name, title, claims, steps }: Lesson,
  broker = "lwt-broker",
): Extract<LessonEvent, { event: "lesson" }> {
  const commands = new Map<string, string>([[BROKER, broker]]);
  for (const step of steps) if (step.kind === "start") commands.set(step.start, step.run.command);
  const participants = [...commands].map(([participant, command]) => ({ name: participant, command }));
  return { event: "lesson", name, title, claims, participants };
}
