import type { Screen } from "./screen.js";

/** The drawing characters of our screens, and their replacements for terminals without Unicode. */
const ASCII_BY_CHARACTER: Record<string, string> = {
  "│": "|",
  "┆": ":",
  "╳": "X",
  "─": "-",
  "◀": "<",
  "▶": ">",
  "→": ">",
  "←": "<",
  "…": "~",
  "×": "x",
};
const NON_ASCII = new RegExp(`[${Object.keys(ASCII_BY_CHARACTER).join("")}]`, "g");

export const toAsciiUnlessUnicode = (text: string, { hasUnicode }: Pick<Screen, "hasUnicode">): string =>
  hasUnicode ? text : toAscii(text);

/** Replaces drawing characters; each stays in its column. */
export const toAscii = (text: string): string =>
  text.replace(NON_ASCII, character => ASCII_BY_CHARACTER[character] ?? character);
