import type { LiveLine } from "../render/rendered.js";

const SECOND = 1000;
/** To the start of the line, and everything on it erased (ECMA-48, CR and EL). */
const ERASE = "\r\u001b[K";

/** A last line on a terminal that is written anew every second; whatever else is written goes above it. */
export class LiveOutput {
  #line: LiveLine | null = null;
  #shown = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly stream: NodeJS.WriteStream) {}

  /** The line from now on; null: none. */
  set(line: LiveLine | null): void {
    clearInterval(this.#timer);
    this.#line = line;
    if (line) this.#timer = setInterval(() => this.show(), SECOND).unref();
  }

  /** Before something else is written. */
  hide(): void {
    if (this.#shown) this.stream.write(ERASE);
    this.#shown = false;
  }

  show(): void {
    if (!this.#line) return;
    const { until, text } = this.#line;
    const left = Math.max(0, Math.ceil((until - Date.now()) / SECOND));
    const shown = text(left).slice(0, this.stream.columns - 1);
    this.stream.write(`${this.#shown ? ERASE : ""}${shown}`);
    this.#shown = true;
  }
}
