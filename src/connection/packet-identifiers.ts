/**
 * Messages at QoS 2 that may be in flight at once. MQTT 3.1.1 has no limit, but Mosquitto has (max_inflight_messages):
 * it acknowledges and drops those beyond it, or closes the connection. They have the packet identifiers from 1 on.
 */
export const MAX_INCOMPLETE_QOS2 = 20;
const MAX_PACKET_ID = 65_535;

/**
 * Allocates packet identifiers in turn, but never one that is still in use [MQTT-2.3.1-2]: mqtt.js' own provider
 * allocates those again after 65 535 messages.
 */
export class PacketIdentifiers {
  #last = 0;
  #lastForQos2 = 0;
  #lastOther = 0;
  /** The next one is for a message at QoS 2. */
  isForQos2 = false;

  constructor(private readonly isInUse: (packetId: number) => boolean) {}

  allocate(): number | null {
    for (let tried = 0; this.isForQos2 && tried < MAX_INCOMPLETE_QOS2; tried++) {
      this.#lastForQos2 = (this.#lastForQos2 % MAX_INCOMPLETE_QOS2) + 1;
      if (!this.isInUse(this.#lastForQos2)) return (this.#last = this.#lastForQos2);
    }
    for (let tried = 0; tried < MAX_PACKET_ID; tried++) {
      this.#lastOther = (this.#lastOther % MAX_PACKET_ID) + 1;
      if (!this.isInUse(this.#lastOther)) return (this.#last = this.#lastOther);
    }
    return null;
  }

  getLastAllocated(): number {
    return this.#last;
  }

  // mqtt.js calls these; its own list answers what is in use.
  register(): boolean {
    return true;
  }
  deallocate(): void {}
  clear(): void {}
}
