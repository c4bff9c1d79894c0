import type { BrokerEvent } from "./broker-events.js";
import type { ClientEvent } from "./client-events.js";
import type { EventsOf, SharedEvent } from "./shared-events.js";

/** Events of the lesson engine itself. */
export type LessonEvent = EventsOf<LessonEvents> | SharedEvent;

/** An event of one of a lesson's processes, or of the link between a process and its broker. */
export type ProcessEvent =
  | ((ClientEvent | BrokerEvent) & { time: string; process: string })
  | ({ time: string; event: "link" } & LessonEvents["link"]);

interface LessonEvents {
  lesson: { name: string; title: string; claims: string[]; participants: Participant[] };
  /** A claim of the slides that the lesson cites. */
  claim: { claim: string; sentence: string };
  step: { number: number; say: string };
  process: { name: string; pid: number; command: string };
  /** `failed`: the one of several brokers that the process is connected to refuses its connections from now on. */
  link: { process: string; state: "cut" | "failed" | "mended" };
  /** A wait that claims nothing by itself. */
  observed: { what: string; held: boolean; clause: string | null };
  /** A claim. */
  expected: {
    what: string;
    held: boolean;
    clause: string | null;
    /** The event or state in place of the claimed one; null if the claim held. */
    instead: string | null;
    /** False: the standard leaves it open. */
    mandatory: boolean;
    /** The claim did not hold, but it is not mandatory or a known deviation of this broker: nothing has failed. */
    deviation: boolean;
    /** Why this broker is known for it; null if it is not. */
    reason: string | null;
    /** Since the event that it is measured from; null without one. */
    seconds: number | null;
  };
  /** A question about the steps that follow. */
  prediction: { question: string; choices: string[] };
  /** The answer to the last question, after its step. */
  revealed: {
    question: string;
    /** The number of the right choice, from 1. */
    answer: number;
    choice: string;
    because: string;
    /** With --quiz: the number that the audience chose; null without one. */
    predicted: number | null;
  };
  /** With --step and --quiz: the purpose of the awaited key; null: none. `again`: show the last step again. */
  waiting: { for: "step" | "prediction" | null; again: boolean };
  result: {
    lesson: string;
    passed: boolean;
    held: number;
    failed: number;
    skipped: SkipReason | null;
    /** Claims that did not hold, although nothing has failed. */
    deviations: number;
    /** Claims about events that this broker, or a missing Python, does not show. */
    notObserved: number;
    /** The built-in lesson that follows this one. */
    next: string | null;
    /** With --quiz: predictions made, and the right ones among them. */
    predictions: number;
    correctPredictions: number;
  };
}

/** Why a lesson did not run, or not to its end. */
export type SkipReason =
  | "interrupted"
  /** It ends and starts its broker. */
  | "needs-own-broker"
  /** It cuts the connection in a relay, whose host name is not the one in the broker's certificate. */
  | "needs-plain-tcp"
  /** It needs several brokers that share sessions. */
  | "needs-broker-list"
  | "needs-mqtt5";

/** A process of a lesson, by the name that the lesson gives it. */
export interface Participant {
  name: string;
  command: string;
}
