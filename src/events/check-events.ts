import type { LessonEvent, SkipReason } from "./lesson-events.js";
import type { EventsOf, Product, SharedEvent } from "./shared-events.js";

/** Events of `lwt-demo check`. */
export type CheckEvent =
  | EventsOf<CheckEvents>
  | Extract<LessonEvent, { event: "lesson" | "claim" }>
  | SharedEvent;

interface CheckEvents {
  checking: {
    /** The broker's URL, or `lwt-broker` for a bundled one for each lesson. */
    broker: string;
    /** null: unknown, so that none of its deviations is known. */
    product: Product | null;
    lessons: string[];
    /** Claims that this product is known not to fulfil. */
    knownDeviations: number;
  };
  /** The end of a lesson. */
  checked: {
    lesson: string;
    claims: string[];
    outcome: "held" | "deviates" | "skipped";
    /** Claims that held. */
    held: number;
    /** Claims that could not be observed here. */
    notObserved: number;
    /** The clauses that the claims that held cite, each once. */
    clauses: string[];
    deviations: Deviation[];
    skipped: SkipReason | null;
    seconds: number;
  };
  /** The verdict, last. */
  check: {
    broker: string;
    product: Product | null;
    /** No mandatory claim was seen broken, and the check came to its end. */
    passed: boolean;
    /** Lessons by outcome. */
    held: number;
    deviates: number;
    skipped: number;
    /** Mandatory claims that did not hold, and those among them that are known of this product. */
    broken: number;
    knownBroken: number;
    /** Claims that held, although this product is known not to fulfil them. */
    unexpectedlyHeld: { lesson: string; what: string }[];
    interrupted: boolean;
    seconds: number;
  };
  /** With --connectivity: one way to the broker. */
  reachable: {
    broker: string;
    /** A broker answered, even with a refusal. */
    reachable: boolean;
    /** Until that answer; null without one. */
    milliseconds: number | null;
    /** Why it is not reachable, or why the broker refuses; null if it accepts. */
    reason: string | null;
  };
  /** With --connectivity, last. `options` are for the clients; null if no way led to the broker. */
  connectivity: { host: string; reachable: number; unreachable: number; options: string | null };
}

/** A claim that did not hold. */
export interface Deviation {
  /** The claim, or a step that the other claims need. */
  what: string;
  clause: string | null;
  /** False: the standard leaves it open. */
  mandatory: boolean;
  /** The event or state in place of the claimed one. */
  instead: string | null;
  /** Why this broker is known for it; null if it is not. */
  reason: string | null;
}
