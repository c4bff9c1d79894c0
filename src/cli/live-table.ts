import { toAsciiUnlessUnicode } from "../render/ascii.js";
import type { Size } from "../render/machine-table.js";
import { DEFAULT_WIDTH, type Screen } from "../render/screen.js";
import { tableText } from "../render/table-text.js";
import type { SubSettings } from "../config/settings/sub-settings.js";
import type { StatusLine } from "./status-line.js";

/** Milliseconds between two looks at the table, however much comes in. */
const REFRESH = 250;
const DEFAULT_HEIGHT = 24;

/** Control sequences of ECMA-48 that every terminal knows; the cursor stays visible, so that nothing is to be mended. */
const ERASE_BELOW = "\u001b[J";
const ERASE_LINE = "\u001b[K";
const toLine = (line: number) => `\u001b[${line};1H`;

/** For sub-lwt --table: what it shows of events, and the window that is kept up to date. */
export function liveTable(settings: SubSettings, screen: Screen, canRewrite: boolean) {
  const { render, frame } = tableText(settings, screen, canRewrite);
  const live = (stream: NodeJS.WriteStream, line: StatusLine | null) =>
    new LiveTable(stream, screen, frame, line);
  return { render, live };
}

/** Lines that fill the window and are refreshed in place; whatever else is written scrolls out above them. */
class LiveTable implements StatusLine {
  /** How many lines of the window are its own: all. */
  #shown = 0;

  constructor(
    private readonly stream: NodeJS.WriteStream,
    private readonly screen: Screen,
    /** Null as long as there is nothing to show. */
    private readonly frame: (size: Size) => string[] | null,
    /** Shown before that. */
    private readonly line: StatusLine | null,
  ) {
    setInterval(() => this.#draw(), REFRESH).unref();
  }

  set(line: Parameters<StatusLine["set"]>[0]): void {
    this.line?.set(this.#shown > 0 ? null : line);
  }

  hide(): boolean {
    if (this.#shown === 0) return this.line?.hide() ?? false;
    // Line by line: some terminals keep a copy of a window that is erased all at once.
    const lines = Array.from({ length: this.#shown }, (_, i) => toLine(i + 1) + ERASE_LINE);
    this.stream.write(lines.join("") + toLine(1));
    this.#shown = 0;
    return true;
  }

  /** The table comes by itself: after a flood of lines once, not after each. */
  show(): void {
    if (this.#shown === 0) this.line?.show();
  }

  #draw(): void {
    const columns = this.stream.columns || DEFAULT_WIDTH;
    const rows = this.stream.rows || DEFAULT_HEIGHT;
    const lines = this.frame({ columns, rows });
    if (!lines) return;
    const text = lines
      .map((line, i) => toLine(i + 1) + ERASE_LINE + toAsciiUnlessUnicode(line, this.screen))
      .join("");
    const end = lines.length < rows ? toLine(lines.length + 1) + ERASE_BELOW : toLine(rows);
    this.stream.write(this.#room(rows) + text + end);
    this.#shown = rows;
  }

  /** Before the table is drawn where other lines are: just as many as stand above the cursor scroll out. */
  #room(rows: number): string {
    if (this.#shown > 0) return "";
    this.line?.hide();
    this.line?.set(null);
    return "\n".repeat(rows - 1);
  }
}
