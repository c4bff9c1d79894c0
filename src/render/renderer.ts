import type { Event, Timed } from "../events/events.js";

/** What an event becomes: whole lines without their last line feed, for stdout, stderr or both. */
export interface Rendered {
  out?: string;
  err?: string;
  /** For stdout in place of `out`: these bytes and nothing else. */
  bytes?: Buffer;
  /** From now on, or null: no more. Only a terminal shows it. */
  live?: LiveLine | null;
}

/** A last line that is written anew every second, below everything else, while something is waited for. */
export interface LiveLine {
  /** Milliseconds since 1970. */
  until: number;
  /** Seconds left, 0 when it is over. */
  text: (secondsLeft: number) => string;
}

/** From an event to what is shown of it; undefined where it shows nothing. */
export type Renderer<E extends Event = Event> = (event: Timed<E>) => Rendered | undefined;
