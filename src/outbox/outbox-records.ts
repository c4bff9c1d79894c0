import type { OutboxMessage } from "./outbox.js";
import type { FieldReader, FieldWriter } from "../storage/field-codec.js";

/** In the files: they stay. None is one of the broker's, so that neither takes the other's folder for its own. */
const CODE = { owner: 32, kept: 33, released: 34, restarted: 35, acknowledged: 36 } as const;

export function writeOwner(to: FieldWriter, clientId: string): void {
  to.number(CODE.owner);
  to.data(clientId);
}

const RETAIN = 4;
const RELEASED = 8;

export function writeKept(to: FieldWriter, message: OutboxMessage): void {
  const { packetId, topic, payload, qos, retain, released } = message;
  to.number(CODE.kept);
  to.number(packetId);
  to.number(qos + (retain ? RETAIN : 0) + (released ? RELEASED : 0));
  to.data(topic);
  to.data(payload);
}

/** Something has become of the message with that packet identifier. */
export function writeChange(
  to: FieldWriter,
  change: "released" | "restarted" | "acknowledged",
  packetId: number,
): void {
  to.number(CODE[change]);
  to.number(packetId);
}

/** What the records of a journal add up to. */
export class OutboxReplay {
  /** Null: nobody has written to it yet. */
  clientId: string | null = null;
  readonly waiting = new Map<number, OutboxMessage>();

  /** @throws RangeError where they are not an outbox's */
  read(records: FieldReader): void {
    while (!records.isAtEnd) {
      const code = records.number();
      const effect = this.#effects[code];
      if (!effect) throw new RangeError(`a record of kind ${code}, which is none of an outbox`);
      effect(records);
    }
  }

  readonly #effects: Record<number, (from: FieldReader) => void> = {
    [CODE.owner]: from => {
      this.clientId = from.text();
    },
    [CODE.kept]: from => this.#kept(from),
    [CODE.released]: from => this.#setReleased(from.number(), true),
    [CODE.restarted]: from => this.#setReleased(from.number(), false),
    [CODE.acknowledged]: from => this.waiting.delete(from.number()),
  };

  /** All that wait are written again together, in order. */
  #kept(from: FieldReader): void {
    const packetId = from.number();
    const flags = from.number();
    const qos = (flags & 3) === 2 ? 2 : 1;
    const topic = from.text();
    const payload = from.data();
    this.waiting.delete(packetId); // the last one counts, and where it stands
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
