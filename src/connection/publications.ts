import type { MqttClient } from "mqtt";
import type { ClientEvent, QoS, Sink } from "../events.js";
import { notAcknowledged } from "./trouble.js";

export interface Message {
  topic: string;
  payload: string | Buffer;
  /** Default 1. */
  qos?: QoS;
  /** Default false. */
  retain?: boolean;
  /** For the events: which reading this is. */
  run?: string;
  seq?: number;
  /** Called when it has been handed to the network. */
  sent?: () => void;
}

/**
 * Messages at QoS 2 that may be under way at once. MQTT 3.1.1 has no limit, but Mosquitto has (max_inflight_messages):
 * those beyond it are acknowledged and dropped, or the connection is closed.
 */
export const MOST_INCOMPLETE = 20;

/** What this client publishes, counted until it is acknowledged. */
export class Publications {
  #unacknowledged = 0;
  #whenAcknowledged: (() => void) | null = null;

  constructor(
    private readonly client: MqttClient,
    private readonly sink: Sink<ClientEvent>,
  ) {}

  /** Sends it once `ready` is kept; kept when it is acknowledged, or at QoS 0 when it has been handed over. */
  publish(message: Message, ready: Promise<void>): Promise<void> {
    return this.counted(ready.then(() => this.#send(message)));
  }

  /** Kept when nothing is left to be acknowledged. */
  async settled(): Promise<void> {
    if (this.#unacknowledged > 0) await new Promise<void>(resolve => (this.#whenAcknowledged = resolve));
  }

  async counted(publication: Promise<void>): Promise<void> {
    this.#unacknowledged += 1;
    try {
      await publication;
    } finally {
      this.#unacknowledged -= 1;
      if (this.#unacknowledged === 0) this.#whenAcknowledged?.();
    }
  }

  #send(message: Message): Promise<void> {
    const { topic, payload, qos = 1, retain = false, run = null, seq = null } = message;
    const sentAt = performance.now();
    return new Promise<void>((resolve, reject) => {
      let packetId: number | null = null;
      this.client.publish(topic, payload, { qos, retain }, error => {
        if (error) return reject(notAcknowledged(topic));
        if (qos === 0) return resolve();
        const milliseconds = Math.round((performance.now() - sentAt) * 100) / 100;
        resolve(this.sink({ event: "acknowledged", packetId, topic, run, seq, milliseconds }) ?? undefined);
      });
      if (qos > 0) packetId = this.client.getLastMessageId();
      message.sent?.();
      const text = payload.toString();
      this.sink({ event: "published", topic, payload: text, qos, retain, dup: false, packetId, run, seq });
    });
  }
}
