import type { ReachedLimit } from "../../events/events.js";
import type { Limits } from "./limits.js";

/** Counts the bytes that wait in memory for clients that do not read, over all connections. */
export class SlowConsumers {
  /** The bytes of clients whose sockets accept no more. */
  bytes = 0;

  constructor(private readonly limits: Limits) {}

  /** Returns the limit for which a client with so many unread bytes does not receive a message at QoS 0, or null. */
  reachedLimit(bytes: number, isWritable: boolean): ReachedLimit | null {
    const { "unread-bytes": own, "unread-bytes-in-all": inAll } = this.limits;
    if (bytes > own) return { name: "unread-bytes", max: own };
    if (!isWritable && this.bytes > inAll) return { name: "unread-bytes-in-all", max: inAll };
    return null;
  }
}
