import { plainTheme } from "../../src/render/theme.js";
import type { Screen } from "../../src/render/screen.js";

/** A pipe: 80 columns, no colour. */
export const plainScreen: Screen = {
  width: 80,
  out: plainTheme,
  err: plainTheme,
  hasUnicode: true,
  isTerminal: false,
  isErrTerminal: false,
};
