import type { ReachedLimit } from "../../events/events.js";
import type { ApplicationMessage } from "../message.js";

type Will = Pick<ApplicationMessage, "topic" | "payload">;

/** Bounds the bytes of the wills of all connections. */
export class WillQuota {
  #bytes = 0;

  constructor(private readonly max: number) {}

  /**
   * @param closed resolves when the will's connection has ended
   * @returns the limit that would be exceeded, or null
   */
  reserve(will: Will | null, closed: Promise<void>): ReachedLimit | null {
    if (!will) return null;
    const bytes = will.topic.length + will.payload.length;
    if (this.#bytes + bytes > this.max) return { name: "will-bytes", max: this.max };
    this.#bytes += bytes;
    void closed.then(() => {
      this.#bytes -= bytes;
    });
    return null;
  }
}
