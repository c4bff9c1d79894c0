import { columnsOf, graphemesOf } from "../text-layout.js";

/** Where the first lifeline is; and for the notes at the last one, the columns to its right. */
const [FIRST, BESIDE_LAST] = [4, 18];

/** The characters that a ladder is drawn with. */
export const pen = {
  line: "│",
  /** A lifeline after its connection died. */
  broken: "┆",
  cross: "╳",
  dash: "─",
  left: "◀",
  right: "▶",
};

export type Style = (text: string) => string;
export const plain: Style = text => text;

/** The places of so many lifelines, evenly spread. */
export const places = (count: number, width: number): number[] => {
  const span = width - BESIDE_LAST - FIRST;
  return Array.from({ length: count }, (_, i) => FIRST + Math.round((i * span) / Math.max(1, count - 1)));
};

/** One row of a terminal, written to by column; what is written last stands. */
export class Row {
  readonly #cells: { text: string; style: Style }[];

  constructor(width: number) {
    this.#cells = Array.from({ length: width }, () => ({ text: " ", style: plain }));
  }

  /** What doesn't fit on the row is left out. */
  write(column: number, text: string, style: Style = plain): void {
    let at = column;
    for (const segment of graphemesOf(text)) {
      const width = columnsOf(segment);
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
      const style = this.#cells[from]?.style ?? plain;
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
