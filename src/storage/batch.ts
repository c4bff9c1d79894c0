import { crc32 } from "node:zlib";

/**
 * One write appends a batch to a file:
 *
 *     0  magic
 *     4  bytes of the records and the end mark
 *     8  number of the batch, 6 bytes; each is one more than the one before
 *    16  CRC-32 of the records and the end mark
 *    20  CRC-32 of bytes 0 to 19
 *    24  records, then the end mark
 *
 * All numbers are little-endian. The header has a checksum of its own: a wrong length would look like a torn tail.
 */
export const HEADER_BYTES = 24;
export const MAGIC = Buffer.from("LWTb");
/** Not 0: a last byte of 0 was never written. */
export const END_MARK = 0xff;
/** A disk writes a sector completely or not at all. */
const SECTOR_BYTES = 512;

/** Fills in the header of a batch that has its records and end mark. */
export function sealBatch(batch: Buffer, number: number): void {
  batch.fill(0, 0, HEADER_BYTES);
  MAGIC.copy(batch);
  batch.writeUInt32LE(batch.length - HEADER_BYTES, 4);
  batch.writeUIntLE(number, 8, 6);
  batch.writeUInt32LE(crc32(batch.subarray(HEADER_BYTES)), 16);
  batch.writeUInt32LE(crc32(batch.subarray(0, 20)), 20);
}

/** A batch with the range of its records, or the reason why there is none. */
export type FoundBatch =
  | { kind: "batch"; number: number; start: number; end: number; next: number }
  | { kind: "end" }
  /** A write that a crash interrupted. */
  | { kind: "cut" }
  /** `next`: the start of the following batch, if the header is intact. */
  | { kind: "damage"; what: string; next: number | null };

/** Reads the batch at that offset of a file. */
export function batchAt(file: Buffer, at: number): FoundBatch {
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

const CUT: FoundBatch = { kind: "cut" };

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
 * After a power cut a file may have its new length without the content: the last write then has sectors of zeros. A
 * wrong batch without such a sector was changed after it was written.
 */
const brokenAt = (file: Buffer, start: number, end: number, what: string, next: number | null): FoundBatch =>
  hasUnwrittenSector(file, start, end) && !hasBatchBehind(file, start) ? CUT : { kind: "damage", what, next };

function hasBatchBehind(file: Buffer, at: number): boolean {
  for (let found = file.indexOf(MAGIC, at + 1); found !== -1; found = file.indexOf(MAGIC, found + 1))
    if (headerAt(file, found)) return true;
  return false;
}

/** Whether the range has only zeros in one of the sectors that it touches. */
function hasUnwrittenSector(file: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; ) {
    const sectorEnd = Math.min(end, (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES);
    if (file.subarray(at, sectorEnd).every(byte => byte === 0)) return true;
    at = sectorEnd;
  }
  return false;
}
