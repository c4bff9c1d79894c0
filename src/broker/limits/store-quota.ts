import type { LimitName, ReachedLimit } from "../../events/events.js";
import { levelsOf, type Limits, topicPastLimit } from "./limits.js";
import type { ApplicationMessage } from "../message.js";
import type { Session } from "../session/session.js";
import type { Store } from "../store/store.js";

/** What may still come into the store. Each method gives the limit that would be passed, or null. */
export class StoreQuota {
  constructor(
    private readonly store: Store,
    private readonly limits: Limits,
  ) {}

  /** Of a client with clean session 0; one whose session is stored already may come back. */
  session(clientId: string): ReachedLimit | null {
    if (this.store.storedSession(clientId)) return null;
    return this.#past("stored-sessions", this.store.usage.sessions + 1);
  }

  subscription({ subscriptions }: Session, topicFilter: string): ReachedLimit | null {
    if (subscriptions.has(topicFilter)) return null;
    return (
      topicPastLimit(topicFilter, this.limits) ??
      this.#past("subscriptions", subscriptions.size + 1) ??
      this.#past("filter-levels", this.store.usage.filterLevels + levelsOf(topicFilter))
    );
  }

  /** A QoS 2 message that the session has not had. */
  inboundQos2({ inboundQos2 }: Session): ReachedLimit | null {
    return (
      this.#past("unreleased-messages", inboundQos2.size + 1) ??
      this.#past("unreleased-messages-in-all", this.store.usage.unreleased + 1)
    );
  }

  retained(message: ApplicationMessage): ReachedLimit | null {
    if (message.payload.length === 0) return null; // it clears one
    const { usage } = this.store;
    const known = this.store.retainedOn(message.topic);
    const more = retainedBytes(message) - (known ? retainedBytes(known) : 0);
    return (
      (known ? null : this.#past("retained-messages", usage.retainedMessages + 1)) ??
      (more > 0 ? this.#past("retained-bytes", usage.retainedBytes + more) : null)
    );
  }

  #past(name: LimitName, there: number): ReachedLimit | null {
    const max = this.limits[name];
    return there > max ? { name, max } : null;
  }
}

export const retainedBytes = ({ topic, payload }: ApplicationMessage): number =>
  topic.length + payload.length;
