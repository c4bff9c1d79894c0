import { toAsciiUnlessUnicode } from "../render/ascii.js";
import type { Size } from "../render/machine-table.js";
import { DEFAULT_WIDTH, type Screen } from "../render/screen.js";
import { tableText } from "../render/table-text.js";
import type { SubSettings } from "../config/settings/sub-settings.js";
import type { StatusLine } from "./status-line.js";

const REFRESH_MS = 250;
const DEFAULT_HEIGHT = 24;

/** Control sequences of ECMA-48 that every terminal knows. The cursor stays visible, so nothing must be restored. */
const ERASE_BELOW = "\u001b[J";
const ERASE_LINE = "\u001b[K";
const toLine = (line: number) => `\u001b[${line};1H`;

/** Returns the renderer and the window of sub-lwt --table. */
export function liveTable(settings: SubSettings, screen: Screen, canRewrite: boolean) {
  const { render, frame } = tableText(settings, screen, canRewrite);
  const live = (stream: NodeJS.WriteStream, line: StatusLine | null) =>
    new LiveTable(stream, screen, frame, line);
  return { render, live };
}

/** Fills the window with lines and refreshes them in place; other output scrolls out above them. */
class LiveTable implements StatusLine {
  /** 0, or the height of the window. */
  #shownRows = 0;

  constructor(
    private readonly stream: NodeJS.WriteStream,
    private readonly screen: Screen,
    /** Returns null until there is something to show. */
    private readonly frame: (size: Size) => string[] | null,
    /** Shown until then. */
    private readonly line: StatusLine | null,
  ) {
    setInterval(() => this.#draw(), REFRESH_MS).unref();
  }

  set(line: Parameters<StatusLine["set"]>[0]): void {
    this.line?.set(this.#shownRows > 0 ? null : line);
  }

  hide(): boolean {
    if (this.#shownRows === 0) return this.line?.hide() ?? false;
    // Line by line: some terminals keep a copy of a window that is erased all at once.
    const lines = Array.from({ length: this.#shownRows }, (_, i) => toLine(i + 1) + ERASE_LINE);
    this.stream.write(lines.join("") + toLine(1));
    this.#shownRows = 0;
    return true;
  }

  /** The timer redraws the table: after a flood of lines once, not after each. */
  show(): void {
    if (this.#shownRows === 0) this.line?.show();
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
    this.stream.write(this.#scrollOut(rows) + text + end);
    this.#shownRows = rows;
  }

  /** Returns line feeds by which the lines above the cursor scroll out, before the first table. */
  #scrollOut(rows: number): string {
    if (this.#shownRows > 0) return "";
    this.line?.hide();
    this.line?.set(null);
    return "\n".repeat(rows - 1);
  }
}
