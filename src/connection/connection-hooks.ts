import type { Outbox } from "../outbox/outbox.js";

export interface ConnectionHooks {
  /** Filters that the caller subscribes to once it is connected: a resumed session delivers before that. */
  filters?: readonly string[];
  /**
   * Called at each PUBLISH before anything is acknowledged. After false it is neither shown nor acknowledged, so that
   * at QoS 1 and 2 it comes again in the session's next connection.
   * @param matchesFilter it matches a filter of this run, not only one that the session has stored
   */
  accept?(topic: string, matchesFilter: boolean): boolean;
  /** False: what is accepted is shown, and never acknowledged. Default true. */
  acknowledge?: boolean;
  /** Aborted: no further attempts to connect. */
  signal?: AbortSignal;
  /** Where what `publishKept` is given outlives the process. */
  outbox?: Outbox;
}
