import type { Theme } from "./theme.js";

export interface Screen {
  /** Columns; changes with the window. */
  readonly width: number;
  readonly out: Theme;
  readonly err: Theme;
  readonly hasUnicode: boolean;
  /** Of stdout. */
  readonly isTerminal: boolean;
  readonly isErrTerminal: boolean;
}

/** Columns at which sentences on stderr wrap: on a terminal only, since scripts read them by line. */
export const errWrapWidth = ({ isErrTerminal, width }: Screen): number =>
  isErrTerminal ? width : Number.POSITIVE_INFINITY;

/** Of a stream that is no terminal. Every screen fits it. */
export const DEFAULT_WIDTH = 80;
const MIN_WIDTH = 60;
/** On a wider window, lines with text at both edges are hard to follow. */
const MAX_WIDTH = 120;

export const clampWidth = (columns: number): number => Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, columns));
