import type { Event, Timed } from "../events/events.js";
import { toAsciiUnlessUnicode } from "../render/ascii.js";
import { jsonLine } from "../render/escape.js";
import type { Rendered, Renderer } from "../render/renderer.js";
import type { Screen } from "../render/screen.js";
import type { StatusLine } from "./status-line.js";
import type { Streams } from "./terminal.js";

export interface OutputSettings {
  json: boolean;
  quiet: boolean;
}

/** Shown with --quiet. */
const ESSENTIAL = new Set<Event["event"]>(["error", "summary", "result", "settings", "broker-status"]);
/** Written with --json to stderr as text too. */
const FOR_PEOPLE = new Set<Event["event"]>(["error", "warning"]);

const LINE_FEED = 0x0a;

/** UTF-16 units. */
const MAX_BUFFERED = 64 * 1024;

/** Error codes when the reader has closed: on Linux and macOS, after destruction, on Windows; a closed terminal. */
const CLOSED = new Set(["EPIPE", "ERR_STREAM_DESTROYED", "EOF", "EIO"]);

/** Whether the reader has closed stdout, as `| head -1` does, which is no failure. */
export const isClosed = ({ code = "" }: NodeJS.ErrnoException): boolean => CLOSED.has(code);

interface OutputParts {
  streams: Streams;
  settings: OutputSettings;
  render: Renderer;
  screen: Screen;
  /** Null: lines can't be rewritten. */
  live: StatusLine | null;
}

/** Writes events as text or as lines of JSON, at the pace of their reader. */
export class Output {
  #isClosed = false;
  #drained: Promise<void> | null = null;
  /**
   * Lines of this turn of the event loop, for one write: a write each took a quarter of the broker's time when a
   * thousand machines failed. A terminal gets each line at once.
   */
  #buffer = "";
  #flushing: NodeJS.Immediate | null = null;
  /** A payload or ^C has left the terminal's cursor in the middle of a line. */
  #midLine = false;

  constructor(
    private readonly parts: OutputParts,
    /** Called once, when stdout is closed or can't be written to. */
    onClosed: (reason: "output-gone" | "output-failed") => void,
  ) {
    parts.streams.out.on("error", (error: NodeJS.ErrnoException) => {
      if (!this.#isClosed) onClosed(isClosed(error) ? "output-gone" : "output-failed");
      this.#isClosed = true;
    });
  }

  /** Adds the time to the event and writes it; the promise, if any, resolves when stdout can take more. */
  readonly sink = (event: Event): Promise<void> | undefined => {
    const { settings, live } = this.parts;
    if (settings.quiet && !ESSENTIAL.has(event.event)) return undefined;
    const timed = { time: new Date().toISOString(), ...event };
    const { out, err, bytes, live: line } = this.#rendered(timed);
    const written = bytes ?? (out === undefined ? undefined : `${out}\n`);
    if (written === undefined && err === undefined && line === undefined) return undefined;
    live?.hide();
    if (line !== undefined) live?.set(line);
    if (err !== undefined) this.#writeErr(`${err}\n`);
    const waits = written === undefined || this.#isClosed ? undefined : this.#write(written);
    live?.show();
    return waits;
  };

  /** @param echoed the terminal has shown ^C at the cursor */
  interrupted(echoed: boolean): void {
    const { streams, live } = this.parts;
    const erased = live?.hide();
    if (echoed && !erased && streams.err.isTTY) this.#midLine = true;
    this.#toLineStart();
  }

  /** Leaves the cursor at the start of a line, for the shell's prompt. */
  end(): void {
    const { live } = this.parts;
    this.flush();
    live?.hide();
    live?.set(null);
    this.#toLineStart();
  }

  #rendered(event: Timed): Rendered {
    const { settings, render } = this.parts;
    const text = () => this.#drawn(render(event) ?? {});
    if (!settings.json || event.event === "packet") return text();
    const err = FOR_PEOPLE.has(event.event) ? text().err : undefined;
    return { out: jsonLine(event), ...(err !== undefined && { err }) };
  }

  #drawn({ out, err, ...rest }: Rendered): Rendered {
    const { screen } = this.parts;
    return {
      ...rest,
      ...(out !== undefined && { out: toAsciiUnlessUnicode(out, screen) }),
      ...(err !== undefined && { err: toAsciiUnlessUnicode(err, screen) }),
    };
  }

  #writeErr(text: string): void {
    this.flush(); // both may go to one file
    this.#toLineStart();
    this.parts.streams.err.write(text);
  }

  #toLineStart(): void {
    if (this.#midLine) this.parts.streams.err.write("\n");
    this.#midLine = false;
  }

  #write(text: string | Buffer): Promise<void> | undefined {
    const { out, err } = this.parts.streams;
    if (typeof text !== "string" && text.length > 0 && out.isTTY && err.isTTY)
      this.#midLine = text.at(-1) !== LINE_FEED;
    if (out.isTTY || typeof text !== "string") {
      this.flush();
      return this.#writeNow(text);
    }
    this.#buffer += text;
    if (this.#buffer.length >= MAX_BUFFERED) this.flush();
    else this.#flushing ??= setImmediate(() => this.flush());
    return this.#drained ?? undefined;
  }

  flush(): void {
    if (this.#flushing) clearImmediate(this.#flushing);
    this.#flushing = null;
    if (this.#buffer === "") return;
    const text = this.#buffer;
    this.#buffer = "";
    void this.#writeNow(text);
  }

  #writeNow(text: string | Buffer): Promise<void> | undefined {
    const { out } = this.parts.streams;
    if (out.write(text) || this.#drained) return this.#drained ?? undefined;
    this.#drained = new Promise(resolve => {
      const done = () => {
        this.#drained = null;
        out.off("drain", done).off("close", done);
        resolve();
      };
      out.on("drain", done).on("close", done);
    });
    return this.#drained;
  }
}
