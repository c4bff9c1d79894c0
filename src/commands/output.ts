import type { Event, Timed } from "../events.js";
import { jsonLine } from "../render/escape.js";
import type { Rendered, Renderer } from "../render/rendered.js";
import type { OutputSettings } from "../settings.js";

/** With --quiet only these are told. */
const ESSENTIAL = new Set<Event["event"]>(["error", "summary", "result"]);
/** With --json these go to stderr as text too, where a person looks for them. */
const FOR_PEOPLE = new Set<Event["event"]>(["error", "warning"]);

interface Streams {
  out: NodeJS.WriteStream;
  err: NodeJS.WriteStream;
}

/** Writes events as text or as lines of JSON, at the pace of whoever reads them. */
export class Output {
  #gone = false;
  #drained: Promise<void> | null = null;

  constructor(
    private readonly streams: Streams,
    private readonly settings: OutputSettings,
    private readonly render: Renderer,
    /** Called once when nobody reads stdout any more (`| head -1`). */
    onGone: () => void,
  ) {
    streams.out.on("error", () => {
      if (!this.#gone) onGone();
      this.#gone = true;
    });
    streams.err.on("error", () => {}); // no one is left to tell
  }

  /** Stamps the event with the time and writes it; the promise, if there is one, is kept when stdout can take more. */
  readonly sink = (event: Event): Promise<void> | undefined => {
    if (this.settings.quiet && !ESSENTIAL.has(event.event)) return undefined;
    const timed = { time: new Date().toISOString(), ...event };
    const { out, err } = this.#rendered(timed);
    if (err !== undefined) this.streams.err.write(`${err}\n`);
    return out === undefined || this.#gone ? undefined : this.#write(`${out}\n`);
  };

  #rendered(event: Timed): Rendered {
    const text = () => this.render(event) ?? {};
    if (!this.settings.json || event.event === "packet") return text();
    const err = FOR_PEOPLE.has(event.event) ? text().err : undefined;
    return { out: jsonLine(event), ...(err !== undefined && { err }) };
  }

  #write(text: string): Promise<void> | undefined {
    const { out } = this.streams;
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
