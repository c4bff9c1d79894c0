import type { ReachedLimit } from "../../events/events.js";
import type { ApplicationMessage } from "../message.js";

type Will = Pick<ApplicationMessage, "topic" | "payload">;

/** Bounds what the wills of all connections take. */
export class WillQuota {
  #bytes = 0;

  constructor(private readonly max: number) {}

  /**
   * @param gone kept when the will's connection is over
   * @returns the limit that would be passed; null where the will may be kept
   */
  reserve(will: Will | null, gone: Promise<void>): ReachedLimit | null {
    if (!will) return null;
    const bytes = will.topic.length + will.payload.length;
    if (this.#bytes + bytes > this.max) return { name: "will-bytes", max: this.max };
    this.#bytes += bytes;
    void gone.then(() => {
      this.#bytes -= bytes;
    });
    return null;
  }
}
