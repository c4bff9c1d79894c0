import stringWidth from "string-width";
import { WIDTH } from "./columns.js";
import { graphemesOf } from "./fit.js";

/** Where the first lifeline is, and where the last is of several: notes stand to its right. */
const [FIRST, LAST] = [4, 62];

/** The characters that a ladder is drawn with. */
export interface Pen {
  line: string;
  /** A lifeline after its connection died. */
  broken: string;
  cross: string;
  dash: string;
  left: string;
  right: string;
  /** Where text was cut off. */
  cut: string;
}

export const unicodePen: Pen = {
  line: "│",
  broken: "┆",
  cross: "╳",
  dash: "─",
  left: "◀",
  right: "▶",
  cut: "…",
};
export const asciiPen: Pen = {
  line: "|",
  broken: ":",
  cross: "X",
  dash: "-",
  left: "<",
  right: ">",
  cut: "~",
};

export type Style = (text: string) => string;
const plain: Style = text => text;

/** The places of so many lifelines, evenly spread. */
export const places = (count: number): number[] =>
  Array.from({ length: count }, (_, i) => FIRST + Math.round((i * (LAST - FIRST)) / Math.max(1, count - 1)));

/** One row of a terminal, written to by column; what is written last stands. */
export class Row {
  readonly #cells: { text: string; style: Style }[] = Array.from({ length: WIDTH }, () => ({
    text: " ",
    style: plain,
  }));

  /** What doesn't fit on the row is left out. */
  write(column: number, text: string, style: Style = plain): void {
    let at = column;
    for (const segment of graphemesOf(text)) {
      const width = stringWidth(segment);
      if (at + width > WIDTH) return;
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
