import store from "mqtt/lib/store";

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
