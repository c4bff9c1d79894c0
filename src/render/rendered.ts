import type { Event, Timed } from "../events.js";

/** What an event becomes: whole lines without their last line feed, for stdout, stderr or both. */
export interface Rendered {
  out?: string;
  err?: string;
}

/** From an event to what is shown of it; undefined where it shows nothing. */
export type Renderer<E extends Event = Event> = (event: Timed<E>) => Rendered | undefined;
