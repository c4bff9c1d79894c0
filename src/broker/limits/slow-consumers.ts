import type { ReachedLimit } from "../../events/events.js";
import type { Limits } from "./limits.js";

/** What waits in memory for clients that do not read, over all connections. */
export class SlowConsumers {
  /** Of those whose socket takes no more. */
  bytes = 0;

  constructor(private readonly limits: Limits) {}

  /** Why a message at QoS 0 would be too much for a client that has so many bytes unread. */
  reachedLimit(bytes: number, takesMore: boolean): ReachedLimit | null {
    const { "unread-bytes": own, "unread-bytes-in-all": inAll } = this.limits;
    if (bytes > own) return { name: "unread-bytes", max: own };
    if (!takesMore && this.bytes > inAll) return { name: "unread-bytes-in-all", max: inAll };
    return null;
  }
}
