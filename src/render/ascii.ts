import type { Screen } from "./screen.js";

/** What our own screens draw with beyond ASCII, and what stands for it where a terminal can't show it. */
const STAND_INS: Record<string, string> = {
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
const DRAWN = new RegExp(`[${Object.keys(STAND_INS).join("")}]`, "g");

/** The text as a screen can draw it. */
export const asDrawable = (text: string, { unicode }: Pick<Screen, "unicode">): string =>
  unicode ? text : toAscii(text);

/** The text with our own drawing in ASCII; each character keeps its column. */
export const toAscii = (text: string): string => text.replace(DRAWN, drawn => STAND_INS[drawn] ?? drawn);
