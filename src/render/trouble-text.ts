import { columnsOf, wrap } from "./columns.js";
import { escapeText } from "./escape.js";
import type { Screen } from "./screen.js";

/** One line on what is wrong, one on what to do; each wrapped where it is longer. */
export function trouble(
  name: string,
  style: "bad" | "notice",
  message: string,
  hint: string,
  { err, width }: Screen,
): string {
  const what = err[style](wrap(`${name}: ${escapeText(message)}`, width, " ".repeat(columnsOf(name) + 2)));
  return hint === "" ? what : `${what}\n${wrap(`  ${escapeText(hint)}`, width, "    ")}`;
}
