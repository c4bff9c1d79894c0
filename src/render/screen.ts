import type { Theme } from "./theme.js";

/** What a renderer writes for. */
export interface Screen {
  /** Columns; may change from one event to the next, as windows do. */
  readonly width: number;
  /** Colours for each stream; either may be a pipe. */
  readonly out: Theme;
  readonly err: Theme;
  /** Whether it shows more than ASCII. */
  readonly unicode: boolean;
  /** Whether stdout is a terminal. */
  readonly terminal: boolean;
  /** Whether stderr is one. */
  readonly errTerminal: boolean;
}

/** Where sentences on stderr are folded: only for a person's eyes; a script finds each on its line. */
export const foldAt = ({ errTerminal, width }: Screen): number =>
  errTerminal ? width : Number.POSITIVE_INFINITY;

/** Where a stream is no terminal; every screen is made to fit it. */
export const DEFAULT_WIDTH = 80;
const NARROWEST = 60;
/** On a wider window, lines with text at both edges would be hard to follow. */
const WIDEST = 120;

export const widthWithin = (columns: number): number => Math.min(WIDEST, Math.max(NARROWEST, columns));
