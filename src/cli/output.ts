import type { Event, Timed } from "../events/events.js";
import { asDrawable } from "../render/ascii.js";
import { jsonLine } from "../render/escape.js";
import type { Rendered, Renderer } from "../render/renderer.js";
import type { Screen } from "../render/screen.js";
import type { StatusLine } from "./status-line.js";
import type { Streams } from "./terminal.js";

export interface OutputSettings {
  json: boolean;
  quiet: boolean;
}

/** With --quiet only these are told. */
const ESSENTIAL = new Set<Event["event"]>(["error", "summary", "result", "settings", "broker-status"]);
/** With --json these go to stderr as text too, where a person looks for them. */
const FOR_PEOPLE = new Set<Event["event"]>(["error", "warning"]);

const LINE_FEED = 0x0a;

/** Characters that are gathered at most. */
const MOST_GATHERED = 64 * 1024;

/** What writing says when the reader has gone: on Linux and macOS, after destruction, on Windows; a closed terminal. */
const CLOSED = new Set(["EPIPE", "ERR_STREAM_DESTROYED", "EOF", "EIO"]);

/** Whether nobody reads any more, as with `| head -1`, which is no failure. */
export const isClosed = ({ code = "" }: NodeJS.ErrnoException): boolean => CLOSED.has(code);

interface OutputParts {
  streams: Streams;
  settings: OutputSettings;
  render: Renderer;
  screen: Screen;
  /** Null where nothing may be written over. */
  live: StatusLine | null;
}

/** Writes events as text or as lines of JSON, at the pace of whoever reads them. */
export class Output {
  #gone = false;
  #drained: Promise<void> | null = null;
  /**
   * Lines of this turn of the event loop, for one write: a write each took a quarter of the broker's time when a
   * thousand machines vanished. A terminal gets each at once.
   */
  #gathered = "";
  #gathering: NodeJS.Immediate | null = null;
  /** A payload on the terminal, or ^C, has left the cursor in the middle of a line. */
  #midLine = false;

  constructor(
    private readonly parts: OutputParts,
    /** Called once when nobody reads stdout any more, or when it can't be written to. */
    onGone: (why: "output-gone" | "output-failed") => void,
  ) {
    parts.streams.out.on("error", (error: NodeJS.ErrnoException) => {
      if (!this.#gone) onGone(isClosed(error) ? "output-gone" : "output-failed");
      this.#gone = true;
    });
  }

  /** Stamps the event with the time and writes it; the promise, if there is one, is kept when stdout can take more. */
  readonly sink = (event: Event): Promise<void> | undefined => {
    const { settings, live } = this.parts;
    if (settings.quiet && !ESSENTIAL.has(event.event)) return undefined;
    const timed = { time: new Date().toISOString(), ...event };
    const { out, err, bytes, live: line } = this.#rendered(timed);
    const written = bytes ?? (out === undefined ? undefined : `${out}\n`);
    if (written === undefined && err === undefined && line === undefined) return undefined;
    live?.hide();
    if (line !== undefined) live?.set(line);
    if (err !== undefined) this.#tell(`${err}\n`);
    const waits = written === undefined || this.#gone ? undefined : this.#write(written);
    live?.show();
    return waits;
  };

  /** @param echoed the terminal has shown ^C where the cursor was */
  interrupted(echoed: boolean): void {
    const { streams, live } = this.parts;
    const erased = live?.hide();
    if (echoed && !erased && streams.err.isTTY) this.#midLine = true;
    this.#toLineStart();
  }

  /** Nothing more will be written; the shell's prompt gets a line of its own. */
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
      ...(out !== undefined && { out: asDrawable(out, screen) }),
      ...(err !== undefined && { err: asDrawable(err, screen) }),
    };
  }

  #tell(text: string): void {
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
    this.#gathered += text;
    if (this.#gathered.length >= MOST_GATHERED) this.flush();
    else this.#gathering ??= setImmediate(() => this.flush());
    return this.#drained ?? undefined;
  }

  /** Writes what has been gathered. */
  flush(): void {
    if (this.#gathering) clearImmediate(this.#gathering);
    this.#gathering = null;
    if (this.#gathered === "") return;
    const text = this.#gathered;
    this.#gathered = "";
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
