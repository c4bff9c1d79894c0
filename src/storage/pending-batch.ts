import { END_MARK, HEADER_BYTES, seal } from "./batch.js";
import { FieldWriter } from "./field-codec.js";

/** Told with null when something is safe; else why it is not. */
export type DoneCallback = (error: Error | null) => void;

/**
 * On a full disk an offer is refused, and an attempt made all the same; what is kept is tried until it is written; who
 * waits has nothing to write.
 */
type Kind = "offer" | "attempt" | "keep" | "wait";

interface Part {
  kind: Kind;
  /** Where its record begins and ends. */
  start: number;
  end: number;
  settle: DoneCallback | null;
}

/** Records that are to be written together, and who waits for that. */
export class PendingBatch {
  readonly #fields = new FieldWriter(HEADER_BYTES);
  readonly #parts: Part[] = [];

  /** In bytes. */
  get length(): number {
    return this.#fields.length;
  }

  get hasRecords(): boolean {
    return this.#fields.length > HEADER_BYTES;
  }

  add(kind: Kind, write: ((fields: FieldWriter) => void) | null, settle: DoneCallback | null): void {
    const start = this.#fields.length;
    write?.(this.#fields);
    this.#parts.push({ kind, start, end: this.#fields.length, settle });
  }

  /** In bytes. */
  sealed(number: number): Buffer {
    const batch = Buffer.allocUnsafe(this.#fields.length + 1);
    this.#fields.bytes.copy(batch);
    batch[this.#fields.length] = END_MARK;
    seal(batch, number);
    return batch;
  }

  written(): void {
    for (const { settle } of this.#parts) settle?.(null);
  }

  /** Tells those of these kinds that they are refused. @returns what is left of it */
  without(kinds: Kind[], error: Error): PendingBatch {
    const left = new PendingBatch();
    const refused = this.#parts.filter(({ kind }) => kinds.includes(kind));
    for (const { kind, start, end, settle } of this.#parts)
      if (!kinds.includes(kind))
        left.add(kind, fields => fields.append(this.#fields.bytes.subarray(start, end)), settle);
    for (const { settle } of refused) settle?.(error);
    return left;
  }
}
