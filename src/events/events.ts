/**
 * The vocabulary: every event that a command, the connection helper, the broker or a lesson can emit.
 * Fields without a value are null, never absent, so that a reader of JSON lines finds them all.
 */

import type { BrokerEvent } from "./broker-events.js";
import type { CheckEvent } from "./check-events.js";
import type { ClientEvent } from "./client-events.js";
import type { LessonEvent } from "./lesson-events.js";

export type { BrokerEvent, BrokerStatus, EndCause, LimitName, ReachedLimit } from "./broker-events.js";
export type { CheckEvent, Deviation } from "./check-events.js";
export type {
  ClientEvent,
  Delivery,
  DescribedSetting,
  FailCause,
  Granted,
  MachineState,
  ParsedPayload,
  ReceivedSummary,
  SentSummary,
  Will,
} from "./client-events.js";
export type { LessonEvent, Participant, ProcessEvent, SkipReason } from "./lesson-events.js";
export type { Product } from "./shared-events.js";
export type { ProtocolVersion, QoS } from "../protocol/types.js";

export type Event = ClientEvent | BrokerEvent | LessonEvent | CheckEvent;

/** The events of E with that name. */
export type EventOf<E extends Event, Name extends E["event"]> = Extract<E, { event: Name }>;

/** An event with the time at which it happened, as JSON lines carry it. */
export type Timed<E extends Event = Event> = { time: string } & E;

/**
 * Takes events in order. If it returns a promise, the emitter stops reading from its socket until that resolves:
 * a slow terminal slows the sender and never fills the heap.
 */
export type Sink<E extends Event = Event> = (event: E) => void | Promise<void>;
