import store from "mqtt/lib/store";
import { MAX_INCOMPLETE_QOS2 } from "./publish-queue.js";

interface StoredPacket {
  cmd: string;
  dup?: boolean;
}

/** What has been sent and not yet been acknowledged; mqtt.js sends it again after a reconnect in the same process. */
export class InFlightStore extends store.default {
  constructor() {
    super({ clean: false });
  }

  /** The session that it belonged to is gone. */
  clear(): void {
    (this["_inflights"] as Map<number, StoredPacket>).clear();
  }

  /** Everything stored has been sent once: sent again, it carries DUP [MQTT-3.3.1-1], which mqtt.js leaves out. */
  markForResending(): void {
    const stored = this["_inflights"] as Map<number, StoredPacket>;
    for (const packet of stored.values()) if (packet.cmd === "publish") packet.dup = true;
  }
}

/** Packet identifiers from 1 on that messages at QoS 2 have: as many as are under way at once. */
export const FOR_QOS_2 = MAX_INCOMPLETE_QOS2;

/**
 * Packet identifiers 1 to 65 535 in turn, but never one that is still in use [MQTT-2.3.1-2]: mqtt.js' own provider
 * hands those out again after 65 535 messages.
 */
export class PacketIdentifiers {
  #last = 0;
  #lastForQos2 = 0;
  #lastOther = 0;
  /** The next one is for a message at QoS 2. */
  isForQos2 = false;

  constructor(private readonly inUse: (identifier: number) => boolean) {}

  allocate(): number | null {
    for (let tried = 0; this.isForQos2 && tried < FOR_QOS_2; tried++) {
      this.#lastForQos2 = (this.#lastForQos2 % FOR_QOS_2) + 1;
      if (!this.inUse(this.#lastForQos2)) return (this.#last = this.#lastForQos2);
    }
    for (let tried = 0; tried < 65_535; tried++) {
      this.#lastOther = (this.#lastOther % 65_535) + 1;
      if (!this.inUse(this.#lastOther)) return (this.#last = this.#lastOther);
    }
    return null;
  }

  getLastAllocated(): number {
    return this.#last;
  }

  // mqtt.js asks for these, and the question of use is answered by its own list.
  register(): boolean {
    return true;
  }
  deallocate(): void {}
  clear(): void {}
}
