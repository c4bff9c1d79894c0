/** A byte holds seven bits of a number, the lowest first. The eighth bit marks that more bytes follow. */
const CONTINUATION_BIT = 0x80;
/** Bytes of the largest exact whole number, 2^53 - 1. */
const MAX_NUMBER_BYTES = 8;

/** Writes fields into a buffer that grows. */
export class FieldWriter {
  #bytes: Buffer;
  #length: number;

  /** @param headerBytes to leave free at the beginning */
  constructor(headerBytes: number) {
    this.#bytes = Buffer.allocUnsafe(Math.max(4096, headerBytes));
    this.#length = headerBytes;
  }

  get length(): number {
    return this.#length;
  }

  /** The written bytes, valid until the next write. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** @param value a whole number from 0 to 2^53 - 1 */
  number(value: number): void {
    this.#reserve(MAX_NUMBER_BYTES);
    let left = value;
    while (left >= CONTINUATION_BIT) {
      this.#bytes[this.#length++] = (left % CONTINUATION_BIT) | CONTINUATION_BIT;
      left = Math.floor(left / CONTINUATION_BIT);
    }
    this.#bytes[this.#length++] = left;
  }

  /** Writes the length and the bytes, of a text in UTF-8. */
  data(value: Buffer | string): void {
    const length = typeof value === "string" ? Buffer.byteLength(value) : value.length;
    this.number(length);
    this.#reserve(length);
    if (typeof value === "string") this.#bytes.write(value, this.#length);
    else value.copy(this.#bytes, this.#length);
    this.#length += length;
  }

  /** Writes bytes without their length. */
  append(bytes: Buffer): void {
    this.#reserve(bytes.length);
    bytes.copy(this.#bytes, this.#length);
    this.#length += bytes.length;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** Reads the fields of a FieldWriter. @throws RangeError past the end */
export class FieldReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#end;
  }

  number(): number {
    let value = 0;
    for (let unit = 1; ; unit *= CONTINUATION_BIT) {
      const byte = this.#bytes[this.#take(1)] ?? 0;
      value += (byte % CONTINUATION_BIT) * unit;
      if (byte < CONTINUATION_BIT) return value;
    }
  }

  text(): string {
    const length = this.number();
    const start = this.#take(length);
    return this.#bytes.toString("utf8", start, start + length);
  }

  /** Returns a copy, which does not hold the whole file in memory. */
  data(): Buffer {
    const length = this.number();
    const start = this.#take(length);
    const copy = Buffer.allocUnsafe(length);
    this.#bytes.copy(copy, 0, start, start + length); // Buffer.from(subarray) takes twice as long
    return copy;
  }

  /** Returns the offset of these bytes, and skips them. */
  #take(length: number): number {
    const start = this.#at;
    if (start + length > this.#end) throw new RangeError("a field goes past the end of its batch");
    this.#at += length;
    return start;
  }
}
