import type { OutboxMessage } from "./outbox.js";
import type { FieldReader, FieldWriter } from "../storage/field-codec.js";

/** Files contain these codes: they never change. The broker's store has others, so that neither opens the other's folder. */
const CODE = { owner: 32, message: 33, released: 34, restarted: 35, acknowledged: 36 } as const;

export function writeOwner(to: FieldWriter, clientId: string): void {
  to.number(CODE.owner);
  to.data(clientId);
}

const RETAIN = 4;
const RELEASED = 8;

export function writeMessage(to: FieldWriter, message: OutboxMessage): void {
  const { packetId, topic, payload, qos, retain, released } = message;
  to.number(CODE.message);
  to.number(packetId);
  to.number(qos + (retain ? RETAIN : 0) + (released ? RELEASED : 0));
  to.data(topic);
  to.data(payload);
}

/** Writes a change of the message with that packet identifier. */
export function writeChange(
  to: FieldWriter,
  change: "released" | "restarted" | "acknowledged",
  packetId: number,
): void {
  to.number(CODE[change]);
  to.number(packetId);
}

/** The state that the records of a journal add up to. */
export class OutboxReplay {
  /** Null if the journal is empty. */
  clientId: string | null = null;
  readonly waiting = new Map<number, OutboxMessage>();

  /** @throws RangeError where they are not an outbox's */
  read(records: FieldReader): void {
    while (!records.isAtEnd) {
      const code = records.number();
      const effect = this.#effects[code];
      if (!effect) throw new RangeError(`a record of kind ${code}, which no outbox has`);
      effect(records);
    }
  }

  readonly #effects: Record<number, (from: FieldReader) => void> = {
    [CODE.owner]: from => {
      this.clientId = from.text();
    },
    [CODE.message]: from => this.#restoreMessage(from),
    [CODE.released]: from => this.#setReleased(from.number(), true),
    [CODE.restarted]: from => this.#setReleased(from.number(), false),
    [CODE.acknowledged]: from => this.waiting.delete(from.number()),
  };

  /** A compaction writes all waiting messages again, in order. */
  #restoreMessage(from: FieldReader): void {
    const packetId = from.number();
    const flags = from.number();
    const qos = (flags & 3) === 2 ? 2 : 1;
    const topic = from.text();
    const payload = from.data();
    this.waiting.delete(packetId); // its last record and the place of that count
    this.waiting.set(packetId, {
      packetId,
      topic,
      payload,
      qos,
      retain: (flags & RETAIN) > 0,
      dup: true,
      released: (flags & RELEASED) > 0,
    });
  }

  #setReleased(packetId: number, released: boolean): void {
    const message = this.waiting.get(packetId);
    if (message) message.released = released;
  }
}
