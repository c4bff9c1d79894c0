import type { MqttClient } from "mqtt";
import type { ClientEvent, QoS, Sink } from "../events/events.js";
import type { PacketIdentifiers } from "./packet-identifiers.js";
import type { ReasonInfo } from "./failure-diagnosis.js";
import type { FlowControl } from "./flow-control.js";
import { notAcknowledged } from "./connection-errors.js";

export interface Message {
  topic: string;
  payload: string | Buffer;
  /** Default 1. */
  qos?: QoS;
  /** Default false. */
  retain?: boolean;
  /** The reading, for the events. */
  run?: string | undefined;
  seq?: number | undefined;
  /** Called when it has been passed to the network. */
  sent?: () => void;
}

interface Complete {
  topic: string;
  payload: string | Buffer;
  qos: QoS;
  retain: boolean;
  run: string | null;
  seq: number | null;
  sent: () => void;
}

/** Returns the reason code of a refusing acknowledgment in an error of mqtt.js. */
export type ReasonReader = (error: Error, packet: unknown) => ReasonInfo | null;

/** The parts of the connection that publishing needs. */
export interface PublishParts {
  /** Called late: mqtt.js' client is made after its stores. */
  client: () => MqttClient;
  identifiers: PacketIdentifiers;
  sink: Sink<ClientEvent>;
  flowControl: FlowControl;
  readReason: ReasonReader;
}

/** Publishes, and counts messages until they are acknowledged. */
export class PublishQueue {
  /** Messages that wait for the limit of the broker. */
  readonly #waiting: { go: () => void; giveUp: () => void }[] = [];
  #unacknowledged = 0;
  #whenAcknowledged: (() => void) | null = null;

  constructor(private readonly parts: PublishParts) {
    const limits = parts.flowControl;
    limits.whenFree(() => {
      while (this.#waiting.length > 0 && limits.take()) this.#waiting.shift()?.go();
    });
  }

  /**
   * Publishes when `ready` has resolved. Resolves when the message is acknowledged, or at QoS 0 passed to the
   * network.
   */
  publish(message: Message, ready: Promise<void>): Promise<void> {
    return this.counted(ready.then(() => this.#sendWhenFree(message)));
  }

  /** Rejects waiting messages: the connection has ended for good. */
  giveUp(): void {
    for (const { giveUp } of this.#waiting.splice(0)) giveUp();
  }

  /** Resolves when everything is acknowledged. */
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

  #sendWhenFree(message: Message): Promise<void> {
    const fitting = this.parts.flowControl.fit(complete(message));
    if (fitting.qos === 0) return this.#send(fitting);
    // In order: one that came before may be waiting.
    if (this.#waiting.length === 0 && this.parts.flowControl.take()) return this.#send(fitting);
    return new Promise((resolve, reject) => {
      const go = () => resolve(this.#send(fitting));
      this.#waiting.push({ go, giveUp: () => reject(notAcknowledged(message.topic)) });
    });
  }

  #send({ topic, payload, qos, retain, run, seq, sent }: Complete): Promise<void> {
    const sentAt = performance.now();
    return new Promise<void>((resolve, reject) => {
      let packetId: number | null = null;
      this.parts.identifiers.isForQos2 = qos === 2;
      this.parts.client().publish(topic, payload, { qos, retain }, (error, answer) => {
        if (error) reject(this.#failure(topic, error, answer));
        else if (qos === 0) resolve();
        else {
          const milliseconds = Math.round((performance.now() - sentAt) * 100) / 100;
          resolve(
            this.parts.sink({ event: "acknowledged", packetId, topic, run, seq, milliseconds }) ?? undefined,
          );
        }
        if (qos > 0) this.parts.flowControl.release();
      });
      this.parts.identifiers.isForQos2 = false;
      if (qos > 0) packetId = this.parts.client().getLastMessageId();
      sent();
      const text = payload.toString();
      this.parts.sink({
        event: "published",
        topic,
        payload: text,
        qos,
        retain,
        dup: false,
        packetId,
        run,
        seq,
      });
    });
  }

  #failure(topic: string, error: Error, answer: unknown): Error {
    const said = this.parts.readReason(error, answer);
    return said ? this.parts.flowControl.refused(topic, said) : notAcknowledged(topic);
  }
}

/** Copies field by field: rest and spread took a seventh of pub-lwt's time. */
function complete({ topic, payload, qos = 1, retain = false, run, seq, sent }: Message): Complete {
  return { topic, payload, qos, retain, run: run ?? null, seq: seq ?? null, sent: sent ?? noMatter };
}

const noMatter = (): void => {};
