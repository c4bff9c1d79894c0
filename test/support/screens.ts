import { noPaint } from "../../src/render/theme.js";
import type { Screen } from "../../src/render/screen.js";

/** A pipe: 80 columns, no colour. */
export const plainScreen: Screen = {
  width: 80,
  out: noPaint,
  err: noPaint,
  unicode: true,
  terminal: false,
  errTerminal: false,
};
