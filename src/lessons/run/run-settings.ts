import type { LessonEvent, ProcessEvent, Product, Sink } from "../../events/events.js";
import type { Claims } from "../claims.js";
import type { KnownBrokers } from "../known-deviations.js";
import type { BrokerInfo, ExternalBroker } from "./probe-broker.js";
import type { LessonPrompts } from "./quiz.js";

export interface RunSettings {
  binDir: string;
  /** Null: the lesson runs on a bundled broker of its own. */
  external: ExternalBroker | null;
  /** Null: the run identifies the external broker first. */
  brokerInfo: BrokerInfo | null;
  /** The product that the user names, or null. */
  product: Product | null;
  knownBrokers: KnownBrokers;
  slideClaims: Claims;
  /** The bundled broker stores its data on disk. */
  onDisk: boolean;
  prompts: LessonPrompts;
  /** The built-in lesson after this one. */
  next: string | null;
  /** Ends the run early, after its processes have stopped. */
  signal: AbortSignal;
}

export type LessonSink = Sink<LessonEvent | ProcessEvent>;
