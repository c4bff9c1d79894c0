import type { LessonEvent } from "../events/events.js";
import { truncate, pad } from "./text-layout.js";
import { escapeText } from "./escape.js";
import type { Renderer } from "./renderer.js";
import type { Screen } from "./screen.js";

/** Renders one line for each lesson. */
export const lessonListText =
  (screen: Screen): Renderer<LessonEvent> =>
  event => {
    if (event.event !== "lesson") return undefined;
    const { name, claims, title } = event;
    const line = `${pad(escapeText(name), 20)}  ${pad(escapeText(claims.join(" ")), 8)}  ${escapeText(title)}`;
    return { out: truncate(line, screen.width) };
  };
