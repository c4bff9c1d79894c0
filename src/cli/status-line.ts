import { toAsciiUnlessUnicode } from "../render/ascii.js";
import { truncate } from "../render/text-layout.js";
import type { LiveLine } from "../render/renderer.js";
import { DEFAULT_WIDTH, type Screen } from "../render/screen.js";

const SECOND_MS = 1000;
/** Moves to the start of the line and erases it (ECMA-48, CR and EL). */
const ERASE = "\r\u001b[K";
/** Free columns at the right edge, for the cursor and the terminal's ^C. */
const MARGIN = 3;

/** A terminal's last line, rewritten as time passes. */
export interface StatusLine {
  set(line: LiveLine | null): void;
  /** Called before other output. Returns whether something was erased. */
  hide(): boolean;
  /** Called after other output. */
  show(): void;
}

/** Rewrites the line every second; other output goes above it. */
export class StatusLineOutput implements StatusLine {
  #line: LiveLine | null = null;
  #isShown = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly stream: NodeJS.WriteStream,
    private readonly screen: Screen,
  ) {}

  set(line: LiveLine | null): void {
    clearInterval(this.#timer);
    this.#line = line;
    if (line) this.#timer = setInterval(() => this.show(), SECOND_MS).unref();
  }

  hide(): boolean {
    const wasShown = this.#isShown;
    if (wasShown) this.stream.write(ERASE);
    this.#isShown = false;
    return wasShown;
  }

  show(): void {
    if (!this.#line) return;
    const { until, text } = this.#line;
    const left = Math.max(0, Math.ceil((until - Date.now()) / SECOND_MS));
    const shown = truncate(text(left), (this.stream.columns || DEFAULT_WIDTH) - MARGIN);
    this.stream.write(`${this.#isShown ? ERASE : ""}${toAsciiUnlessUnicode(shown, this.screen)}`);
    this.#isShown = true;
  }
}
