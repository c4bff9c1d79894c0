import type { Event, Timed } from "../events.js";
import { toAscii } from "../render/ascii.js";
import { jsonLine } from "../render/escape.js";
import type { Rendered, Renderer } from "../render/rendered.js";
import type { LiveOutput } from "./live-line.js";
import type { Streams } from "./screen.js";

export interface OutputSettings {
  json: boolean;
  quiet: boolean;
}

/** With --quiet only these are told. */
const ESSENTIAL = new Set<Event["event"]>(["error", "summary", "result", "settings"]);
/** With --json these go to stderr as text too, where a person looks for them. */
const FOR_PEOPLE = new Set<Event["event"]>(["error", "warning"]);

interface OutputParts {
  streams: Streams;
  settings: OutputSettings;
  render: Renderer;
  /** False: our own drawing in ASCII. */
  unicode: boolean;
  /** Null where nothing may be written over. */
  live: LiveOutput | null;
}

/** Writes events as text or as lines of JSON, at the pace of whoever reads them. */
export class Output {
  #gone = false;
  #drained: Promise<void> | null = null;

  constructor(
    private readonly parts: OutputParts,
    /** Called once when nobody reads stdout any more (`| head -1`). */
    onGone: () => void,
  ) {
    const { out, err } = parts.streams;
    out.on("error", () => {
      if (!this.#gone) onGone();
      this.#gone = true;
    });
    err.on("error", () => {}); // no one is left to tell
  }

  /** Stamps the event with the time and writes it; the promise, if there is one, is kept when stdout can take more. */
  readonly sink = (event: Event): Promise<void> | undefined => {
    const { settings, streams, live } = this.parts;
    if (settings.quiet && !ESSENTIAL.has(event.event)) return undefined;
    const timed = { time: new Date().toISOString(), ...event };
    const { out, err, bytes, live: line } = this.#rendered(timed);
    live?.hide();
    if (line !== undefined) live?.set(line);
    if (err !== undefined) streams.err.write(this.#drawable(`${err}\n`));
    const written = bytes ?? (out === undefined ? undefined : `${out}\n`);
    const waits = written === undefined || this.#gone ? undefined : this.#write(this.#drawable(written));
    live?.show();
    return waits;
  };

  #rendered(event: Timed): Rendered {
    const { settings, render } = this.parts;
    const text = () => render(event) ?? {};
    if (!settings.json || event.event === "packet") return text();
    const err = FOR_PEOPLE.has(event.event) ? text().err : undefined;
    return { out: jsonLine(event), ...(err !== undefined && { err }) };
  }

  #drawable<Text extends string | Buffer>(text: Text): string | Text {
    return typeof text === "string" && !this.parts.unicode ? toAscii(text) : text;
  }

  #write(text: string | Buffer): Promise<void> | undefined {
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
