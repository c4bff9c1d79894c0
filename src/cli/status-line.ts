import { asDrawable } from "../render/ascii.js";
import { cut } from "../render/text-layout.js";
import type { LiveLine } from "../render/renderer.js";
import { DEFAULT_WIDTH, type Screen } from "../render/screen.js";

const SECOND = 1000;
/** To the start of the line, and everything on it erased (ECMA-48, CR and EL). */
const ERASE = "\r\u001b[K";
/** At the right edge: for the cursor, and for the ^C that the terminal shows. */
const FREE = 3;

/** What a terminal shows below everything else, and anew as time passes. */
export interface StatusLine {
  /** The line from now on; null: none. */
  set(line: LiveLine | null): void;
  /** Before something else is written. Returns whether there was something to erase. */
  hide(): boolean;
  /** After that. */
  show(): void;
}

/** A last line on a terminal that is written anew every second; whatever else is written goes above it. */
export class StatusLineOutput implements StatusLine {
  #line: LiveLine | null = null;
  #shown = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly stream: NodeJS.WriteStream,
    private readonly screen: Screen,
  ) {}

  set(line: LiveLine | null): void {
    clearInterval(this.#timer);
    this.#line = line;
    if (line) this.#timer = setInterval(() => this.show(), SECOND).unref();
  }

  hide(): boolean {
    const wasShown = this.#shown;
    if (wasShown) this.stream.write(ERASE);
    this.#shown = false;
    return wasShown;
  }

  show(): void {
    if (!this.#line) return;
    const { until, text } = this.#line;
    const left = Math.max(0, Math.ceil((until - Date.now()) / SECOND));
    const shown = cut(text(left), (this.stream.columns || DEFAULT_WIDTH) - FREE);
    this.stream.write(`${this.#shown ? ERASE : ""}${asDrawable(shown, this.screen)}`);
    this.#shown = true;
  }
}
