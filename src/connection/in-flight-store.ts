import store from "mqtt/lib/store";
import { storedPackets } from "./mqtt-internals.js";

/** Packets that are sent and not acknowledged; mqtt.js sends them again after a reconnect in the same process. */
export class InFlightStore extends store.default {
  constructor() {
    super({ clean: false });
  }

  /** Called when the broker has lost the session. */
  clear(): void {
    storedPackets(this).clear();
  }

  /** Everything stored has been sent once: sent again, it carries DUP [MQTT-3.3.1-1], which mqtt.js leaves out. */
  markForResending(): void {
    for (const packet of storedPackets(this).values()) if (packet.cmd === "publish") packet.dup = true;
  }
}
