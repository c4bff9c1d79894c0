import type { DoneCallback } from "../util/done-callback.js";

/** A message at QoS 1 or 2 that is stored until it is acknowledged, also when this process ends first. */
export interface OutboxMessage {
  packetId: number;
  topic: string;
  payload: Buffer;
  qos: 1 | 2;
  retain: boolean;
  /** It may have been sent before. */
  dup: boolean;
  /** PUBREC has been received: the next packet to send is PUBREL. */
  released: boolean;
}

/** A client's half of its session [MQTT-4.1.0-1], which outlives the process. */
export interface Outbox {
  /** By packet identifier, in the order in which they were published. */
  readonly waiting: ReadonlyMap<number, OutboxMessage>;
  /** @param done called with null once the message is durable, or with the error that prevents it */
  store(message: OutboxMessage, done: DoneCallback): void;
  /** PUBREC has been received. @param onDurable called when PUBREL may be sent: after it, PUBLISH would be a new message */
  release(packetId: number, onDurable: () => void): void;
  /** The broker has no session, in which PUBREL would have a meaning: released messages are published again. */
  restart(onDurable: () => void): void;
  /** PUBACK or PUBCOMP has been received. */
  acknowledge(packetId: number): void;
}
