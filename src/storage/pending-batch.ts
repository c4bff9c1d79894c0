import type { DoneCallback } from "../util/done-callback.js";
import { END_MARK, HEADER_BYTES, sealBatch } from "./batch.js";
import { FieldWriter } from "./field-codec.js";

/** On a full disk an offer is refused, an attempt may use the reserve, and an append is retried. A wait has no record. */
type Kind = "offer" | "attempt" | "append" | "wait";

interface Part {
  kind: Kind;
  start: number;
  end: number;
  done: DoneCallback | null;
}

/** Records that are written together, with their callbacks. */
export class PendingBatch {
  readonly #fields = new FieldWriter(HEADER_BYTES);
  readonly #parts: Part[] = [];

  /** Bytes of the header and the records. */
  get length(): number {
    return this.#fields.length;
  }

  get hasRecords(): boolean {
    return this.#fields.length > HEADER_BYTES;
  }

  add(kind: Kind, write: ((fields: FieldWriter) => void) | null, done: DoneCallback | null): void {
    const start = this.#fields.length;
    write?.(this.#fields);
    this.#parts.push({ kind, start, end: this.#fields.length, done });
  }

  seal(number: number): Buffer {
    const batch = Buffer.allocUnsafe(this.#fields.length + 1);
    this.#fields.bytes.copy(batch);
    batch[this.#fields.length] = END_MARK;
    sealBatch(batch, number);
    return batch;
  }

  resolve(): void {
    for (const { done } of this.#parts) done?.(null);
  }

  /** Calls back with the error for these kinds. Returns a batch of the others. */
  refuse(kinds: Kind[], error: Error): PendingBatch {
    const others = new PendingBatch();
    const refused = this.#parts.filter(({ kind }) => kinds.includes(kind));
    for (const { kind, start, end, done } of this.#parts)
      if (!kinds.includes(kind))
        others.add(kind, fields => fields.append(this.#fields.bytes.subarray(start, end)), done);
    for (const { done } of refused) done?.(error);
    return others;
  }
}
