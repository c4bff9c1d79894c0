import type { LimitName, ReachedLimit } from "../../events/events.js";
import { levelsOf, type Limits, topicPastLimit } from "./limits.js";
import type { ApplicationMessage } from "../message.js";
import type { Session } from "../session/session.js";
import type { Store } from "../store/store.js";

/** Checks what the store may accept. Each method returns the limit that would be exceeded, or null. */
export class StoreQuota {
  constructor(
    private readonly store: Store,
    private readonly limits: Limits,
  ) {}

  /** Checks a new stored session. A client whose session is stored may always resume it. */
  session(clientId: string): ReachedLimit | null {
    if (this.store.storedSession(clientId)) return null;
    return this.#limitFor("stored-sessions", this.store.usage.sessions + 1);
  }

  subscription({ subscriptions }: Session, topicFilter: string): ReachedLimit | null {
    if (subscriptions.has(topicFilter)) return null;
    return (
      topicPastLimit(topicFilter, this.limits) ??
      this.#limitFor("subscriptions", subscriptions.size + 1) ??
      this.#limitFor("filter-levels", this.store.usage.filterLevels + levelsOf(topicFilter))
    );
  }

  /** Checks a QoS 2 message with a new packet identifier. */
  inboundQos2({ inboundQos2 }: Session): ReachedLimit | null {
    return (
      this.#limitFor("unreleased-messages", inboundQos2.size + 1) ??
      this.#limitFor("unreleased-messages-in-all", this.store.usage.unreleased + 1)
    );
  }

  retained(message: ApplicationMessage): ReachedLimit | null {
    if (message.payload.length === 0) return null; // clears one
    const { usage } = this.store;
    const known = this.store.retainedOn(message.topic);
    const more = retainedBytes(message) - (known ? retainedBytes(known) : 0);
    return (
      (known ? null : this.#limitFor("retained-messages", usage.retainedMessages + 1)) ??
      (more > 0 ? this.#limitFor("retained-bytes", usage.retainedBytes + more) : null)
    );
  }

  #limitFor(name: LimitName, there: number): ReachedLimit | null {
    const max = this.limits[name];
    return there > max ? { name, max } : null;
  }
}

export const retainedBytes = ({ topic, payload }: ApplicationMessage): number =>
  topic.length + payload.length;
