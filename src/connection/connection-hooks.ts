import type { Outbox } from "../outbox/outbox.js";

export interface ConnectionHooks {
  /** Filters that the caller subscribes to once it is connected: a resumed session delivers before that. */
  filters?: readonly string[];
  /**
   * Called at each PUBLISH before it is acknowledged. After false it is neither shown nor acknowledged, so at QoS 1
   * and 2 the broker sends it again on the next connection of the session. @param matchesFilter it matches a filter
   * of this run, not only one of an earlier run
   */
  accept?(topic: string, matchesFilter: boolean): boolean;
  /** False: messages are shown but never acknowledged. Default true. */
  acknowledge?: boolean;
  /** Ends the attempts to connect when it is aborted. */
  signal?: AbortSignal;
  /** Stores the messages of `publishStored` beyond the process. */
  outbox?: Outbox;
}
