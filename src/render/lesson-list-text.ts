import type { LessonEvent } from "../events.js";
import { WIDTH } from "./columns.js";
import { escapeText } from "./escape.js";
import { fit } from "./fit.js";
import type { Renderer } from "./rendered.js";

/** A lesson a line: its name, the claims that it is about, and what it shows. */
export const lessonListText: Renderer<LessonEvent> = event => {
  if (event.event !== "lesson") return undefined;
  const { name, claims, title } = event;
  return { out: fit(escapeText(`${name.padEnd(20)}  ${claims.join(" ").padEnd(7)}  ${title}`), WIDTH, "…") };
};
