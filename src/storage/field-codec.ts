/** Seven bits of a number a byte, the lowest first; a set eighth bit says that more follow. */
const MORE = 0x80;
/** Bytes of the largest whole number that is exact, 2^53 - 1. */
const LONGEST_NUMBER = 8;

/** Writes fields one behind the other into memory that grows. */
export class FieldWriter {
  #bytes: Buffer;
  #length: number;

  /** @param room left free at the beginning, in bytes */
  constructor(room: number) {
    this.#bytes = Buffer.allocUnsafe(Math.max(4096, room));
    this.#length = room;
  }

  get length(): number {
    return this.#length;
  }

  /** What has been written, until more is. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** @param value a whole number from 0 to 2^53 - 1 */
  number(value: number): void {
    this.#reserve(LONGEST_NUMBER);
    let left = value;
    while (left >= MORE) {
      this.#bytes[this.#length++] = (left % MORE) | MORE;
      left = Math.floor(left / MORE);
    }
    this.#bytes[this.#length++] = left;
  }

  /** Its length, then its bytes; a text as UTF-8. */
  data(value: Buffer | string): void {
    const length = typeof value === "string" ? Buffer.byteLength(value) : value.length;
    this.number(length);
    this.#reserve(length);
    if (typeof value === "string") this.#bytes.write(value, this.#length);
    else value.copy(this.#bytes, this.#length);
    this.#length += length;
  }

  /** As they are. */
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

/** Reads what a FieldWriter has written. @throws RangeError past the end */
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
    for (let unit = 1; ; unit *= MORE) {
      const byte = this.#bytes[this.#take(1)] ?? 0;
      value += (byte % MORE) * unit;
      if (byte < MORE) return value;
    }
  }

  text(): string {
    const length = this.number();
    const start = this.#take(length);
    return this.#bytes.toString("utf8", start, start + length);
  }

  /** A copy, so that it does not keep all that was read in memory. */
  data(): Buffer {
    const length = this.number();
    const start = this.#take(length);
    const copy = Buffer.allocUnsafe(length);
    this.#bytes.copy(copy, 0, start, start + length); // Buffer.from(subarray) takes twice as long
    return copy;
  }

  /** @returns where they start */
  #take(length: number): number {
    const start = this.#at;
    if (start + length > this.#end) throw new RangeError("a field goes past the end of its batch");
    this.#at += length;
    return start;
  }
}
