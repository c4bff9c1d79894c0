import { displayWidth, graphemesOf } from "../text-layout.js";

const FIRST_LIFELINE_COLUMN = 4;
/** To the right of the last lifeline, for its notes. */
const NOTE_COLUMNS = 18;

export const glyphs = {
  line: "│",
  /** A lifeline after its connection was lost. */
  broken: "┆",
  cross: "╳",
  dash: "─",
  left: "◀",
  right: "▶",
};

export type Style = (text: string) => string;
export const unstyled: Style = text => text;

/** Evenly spread. */
export const lifelineColumns = (count: number, width: number): number[] => {
  const span = width - NOTE_COLUMNS - FIRST_LIFELINE_COLUMN;
  return Array.from(
    { length: count },
    (_, i) => FIRST_LIFELINE_COLUMN + Math.round((i * span) / Math.max(1, count - 1)),
  );
};

/** One row of a terminal. A later write replaces an earlier one. */
export class Row {
  readonly #cells: { text: string; style: Style }[];

  constructor(width: number) {
    this.#cells = Array.from({ length: width }, () => ({ text: " ", style: unstyled }));
  }

  /** Clips the text at the end of the row. */
  write(column: number, text: string, style: Style = unstyled): void {
    let at = column;
    for (const segment of graphemesOf(text)) {
      const width = displayWidth(segment);
      if (at + width > this.#cells.length) return;
      this.#cells[at] = { text: segment, style };
      // A wide character covers the cells after its own.
      for (let covered = 1; covered < width; covered++) this.#cells[at + covered] = { text: "", style };
      at += width;
    }
  }

  toString(): string {
    let last = this.#cells.length;
    while (last > 0 && this.#cells[last - 1]?.text === " ") last--;
    let text = "";
    for (let from = 0; from < last; ) {
      const style = this.#cells[from]?.style ?? unstyled;
      let to = from;
      while (to < last && this.#cells[to]?.style === style) to++;
      text += style(
        this.#cells
          .slice(from, to)
          .map(cell => cell.text)
          .join(""),
      );
      from = to;
    }
    return text;
  }
}
