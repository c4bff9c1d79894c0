import type { LessonEvent } from "../events/events.js";
import { cut, pad } from "./text-layout.js";
import { escapeText } from "./escape.js";
import type { Renderer } from "./renderer.js";
import type { Screen } from "./screen.js";

/** A lesson a line: its name, the claims that it is about, and what it shows. */
export const lessonListText =
  (screen: Screen): Renderer<LessonEvent> =>
  event => {
    if (event.event !== "lesson") return undefined;
    const { name, claims, title } = event;
    const line = `${pad(escapeText(name), 20)}  ${pad(escapeText(claims.join(" ")), 8)}  ${escapeText(title)}`;
    return { out: cut(line, screen.width) };
  };
