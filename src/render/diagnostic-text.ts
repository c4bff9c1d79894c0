import { columnsOf, wrap } from "./text-layout.js";
import { escapeText } from "./escape.js";
import { foldAt, type Screen } from "./screen.js";

/** One line on what is wrong, one on what to do; each folded where a terminal has no room for it. */
export function formatDiagnostic(
  name: string,
  style: "bad" | "notice",
  message: string,
  hint: string,
  screen: Screen,
): string {
  const { err } = screen;
  const width = foldAt(screen);
  const what = err[style](wrap(`${name}: ${escapeText(message)}`, width, " ".repeat(columnsOf(name) + 2)));
  return hint === "" ? what : `${what}\n${wrap(`  ${escapeText(hint)}`, width, "    ")}`;
}
