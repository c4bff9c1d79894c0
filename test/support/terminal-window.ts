import assert from "node:assert/strict";
import stringWidth from "string-width";
import { graphemesOf } from "../../src/render/text-layout.js";

const PIECES = /\r|\n|\u001b\[([\d;]*)([A-Za-z])|[^\r\n\u001b]+|\u001b/g;

/** A terminal's window, as far as the commands use one: lines scroll out at the top, and can be written over. */
export class TerminalWindow {
  /** The lines that have scrolled out. */
  readonly above: string[] = [];
  #lines: string[][];
  #row = 0;
  #column = 0;

  constructor(
    readonly columns: number,
    readonly rows: number,
  ) {
    this.#lines = Array.from({ length: rows }, () => []);
  }

  get lines(): string[] {
    return this.#lines.map(textOf);
  }

  /** The line of the cursor, from 0, and what stands on it. */
  get cursor(): { row: number; line: string } {
    return { row: this.#row, line: textOf(this.#lines[this.#row] ?? []) };
  }

  write(text: string): this {
    for (const [piece, numbers = "", command] of text.matchAll(PIECES)) {
      if (command !== undefined) this.#control(command, numbers);
      else if (piece === "\r") this.#column = 0;
      else if (piece === "\n") this.#lineFeed();
      else for (const grapheme of graphemesOf(piece)) this.#put(grapheme);
    }
    return this;
  }

  #control(command: string, numbers: string): void {
    const [first = 1, second = 1] = numbers.split(";").map(each => Number(each) || 1);
    if (command === "m") return;
    const line = this.#lines[this.#row] ?? [];
    if (command === "H") [this.#row, this.#column] = [Math.min(first, this.rows) - 1, second - 1];
    else if (command === "K") line.length = Math.min(line.length, this.#column);
    else if (command === "J") {
      line.length = Math.min(line.length, this.#column);
      for (const below of this.#lines.slice(this.#row + 1)) below.length = 0;
    } else assert.fail(`an escape sequence of another kind: ${numbers}${command}`);
  }

  #put(grapheme: string): void {
    const width = stringWidth(grapheme);
    if (this.#column + width > this.columns) {
      this.#column = 0;
      this.#lineFeed();
    }
    const line = (this.#lines[this.#row] ??= []);
    while (line.length < this.#column) line.push(" ");
    line.splice(this.#column, width, grapheme, ...Array.from({ length: width - 1 }, () => ""));
    this.#column += width;
  }

  #lineFeed(): void {
    if (this.#row + 1 < this.rows) {
      this.#row += 1;
      return;
    }
    this.above.push(textOf(this.#lines.shift() ?? []));
    this.#lines.push([]);
  }
}

const textOf = (cells: string[]) => cells.join("").trimEnd();
