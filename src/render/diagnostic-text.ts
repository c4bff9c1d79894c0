import { displayWidth, wrap } from "./text-layout.js";
import { escapeText } from "./escape.js";
import { errWrapWidth, type Screen } from "./screen.js";

/** One line on what is wrong, one on what to do; a terminal wraps them. */
export function formatDiagnostic(
  name: string,
  style: "bad" | "notice",
  message: string,
  hint: string,
  screen: Screen,
): string {
  const { err } = screen;
  const width = errWrapWidth(screen);
  const what = err[style](wrap(`${name}: ${escapeText(message)}`, width, " ".repeat(displayWidth(name) + 2)));
  return hint === "" ? what : `${what}\n${wrap(`  ${escapeText(hint)}`, width, "    ")}`;
}
