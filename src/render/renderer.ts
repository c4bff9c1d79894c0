import type { Event, Timed } from "../events/events.js";

/** Whole lines, without the last line feed. */
export interface Rendered {
  out?: string;
  err?: string;
  /** For stdout instead of `out`, without a line feed. */
  bytes?: Buffer;
  /** The new status line; null removes it. Only a terminal shows it. */
  live?: LiveLine | null;
}

/** A status line below the output, written again every second during a wait. */
export interface LiveLine {
  /** Milliseconds since 1970. */
  until: number;
  /** With 0 after `until`. */
  text: (secondsLeft: number) => string;
}

/** Returns undefined if the event shows nothing. */
export type Renderer<E extends Event = Event> = (event: Timed<E>) => Rendered | undefined;
