import store from "mqtt/lib/store";
import { storedPackets } from "./mqtt-internals.js";

/** Unacknowledged packets, which mqtt.js sends again after a reconnect in the same process. */
export class InFlightStore extends store.default {
  constructor() {
    super({ clean: false });
  }

  /** Called when the broker has lost the session. */
  clear(): void {
    storedPackets(this).clear();
  }

  /** Sets DUP on all stored packets, which are sent again [MQTT-3.3.1-1]. mqtt.js leaves it out. */
  markForResending(): void {
    for (const packet of storedPackets(this).values()) if (packet.cmd === "publish") packet.dup = true;
  }
}
