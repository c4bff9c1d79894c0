import type { LessonEvent } from "../events/events.js";
import { claimLine } from "./claim-text.js";
import { escapeText } from "./escape.js";
import type { Renderer } from "./renderer.js";
import type { Screen } from "./screen.js";
import { pad, truncate } from "./text-layout.js";

/** Renders a line for each claim of the slides, and below them a line for each lesson. */
export function lessonListText({ width }: Screen): Renderer<LessonEvent> {
  let gap = "";
  return event => {
    if (event.event === "claim") {
      gap = "\n";
      return { out: claimLine(event, width) };
    }
    if (event.event !== "lesson") return undefined;
    const { name, claims, title } = event;
    const line = `${pad(escapeText(name), 20)}  ${pad(escapeText(claims.join(" ")), 8)}  ${escapeText(title)}`;
    const out = gap + truncate(line, width);
    gap = "";
    return { out };
  };
}
