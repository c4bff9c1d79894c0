import { crc32 } from "node:zlib";

/**
 * A batch is what one write puts at the end of a file:
 *
 *     0  magic
 *     4  bytes of records behind this header, the end mark included
 *     8  its number, 6 bytes; each is one more than the one before
 *    16  checksum of the records
 *    20  checksum of this header up to here
 *    24  records, then the end mark
 *
 * All numbers are little-endian. The header has a checksum of its own since a wrong length would look like a file that
 * was cut off there.
 */
export const HEADER_BYTES = 24;
export const MAGIC = Buffer.from("LWTb");
/** Is not 0, so that a last byte of 0 was never written. */
export const END_MARK = 0xff;
/** What a disk writes or does not, in bytes. */
const SECTOR = 512;

/** Fills in the header of a batch whose records and end mark are there. */
export function seal(batch: Buffer, number: number): void {
  batch.fill(0, 0, HEADER_BYTES);
  MAGIC.copy(batch);
  batch.writeUInt32LE(batch.length - HEADER_BYTES, 4);
  batch.writeUIntLE(number, 8, 6);
  batch.writeUInt32LE(crc32(batch.subarray(HEADER_BYTES)), 16);
  batch.writeUInt32LE(crc32(batch.subarray(0, 20)), 20);
}

/** Where its records are; what ends there, and why, where there is none. */
export type BatchAt =
  | { kind: "batch"; number: number; start: number; end: number; next: number }
  | { kind: "end" }
  /** A write that never came to its end. */
  | { kind: "cut" }
  /** `next`: where the one behind it is, if its header says so. */
  | { kind: "damage"; what: string; next: number | null };

/** What is at that offset of a file. */
export function batchAt(file: Buffer, at: number): BatchAt {
  if (at === file.length) return { kind: "end" };
  const start = at + HEADER_BYTES;
  if (start > file.length) return CUT;
  const header = headerAt(file, at);
  if (!header) return brokenAt(file, at, start, "a batch's header is not what was written", null);
  const next = start + header.length;
  if (next > file.length) return CUT;
  if (crc32(file.subarray(start, next)) !== header.checksum)
    return brokenAt(file, start, next, "records are not what was written", next);
  return { kind: "batch", number: header.number, start, end: next - 1, next };
}

const CUT: BatchAt = { kind: "cut" };

function headerAt(file: Buffer, at: number): { length: number; number: number; checksum: number } | null {
  if (at + HEADER_BYTES > file.length || MAGIC.compare(file, at, at + MAGIC.length) !== 0) return null;
  if (crc32(file.subarray(at, at + 20)) !== file.readUInt32LE(at + 20)) return null;
  return {
    length: file.readUInt32LE(at + 4),
    number: file.readUIntLE(at + 8, 6),
    checksum: file.readUInt32LE(at + 16),
  };
}

/**
 * After a power cut a file may have its length before it has its content: then the last that was written has sectors of
 * zeros. What is all there and wrong was written otherwise.
 */
const brokenAt = (file: Buffer, start: number, end: number, what: string, next: number | null): BatchAt =>
  hasUnwrittenSector(file, start, end) && !hasBatchBehind(file, start) ? CUT : { kind: "damage", what, next };

function hasBatchBehind(file: Buffer, at: number): boolean {
  for (let found = file.indexOf(MAGIC, at + 1); found !== -1; found = file.indexOf(MAGIC, found + 1))
    if (headerAt(file, found)) return true;
  return false;
}

/** Whether one of the sectors that the range touches has zeros wherever the range is. */
function hasUnwrittenSector(file: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; ) {
    const sectorEnd = Math.min(end, (Math.floor(at / SECTOR) + 1) * SECTOR);
    if (file.subarray(at, sectorEnd).every(byte => byte === 0)) return true;
    at = sectorEnd;
  }
  return false;
}
