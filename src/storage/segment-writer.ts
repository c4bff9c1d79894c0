import { writeSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { FILE_HEADER, OWNER_ONLY, type Segment, segmentFile, syncDir, truncateTail } from "./segments.js";

/** Bytes after which a file is full and the next one begins. */
const SEGMENT_BYTES = 8 * 1024 * 1024;
/** Bytes that are written synchronously: they are in the system's memory before another thread has started. */
const MAX_SYNC_WRITE_BYTES = 64 * 1024;

/** Appends to the last file of a journal, begins the next one, and removes the oldest. */
export class SegmentWriter {
  /** Ascending. The last one is open. */
  readonly #segments: { number: number; bytes: number }[] = [];
  readonly #folder: string;
  #handle!: FileHandle;
  #mustRotate = false;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Continues behind the files that were read. */
  async open(read: readonly Segment[]): Promise<void> {
    for (const { number, end } of read) this.#segments.push({ number, bytes: end });
    const last = read.at(-1);
    if (last && last.lost > 0) await truncateTail(this.#folder, last);
    if (last && last.end > 0) this.#handle = await open(segmentFile(this.#folder, last.number), "r+");
    else {
      this.#segments.splice(-1); // not even its header was written
      await this.#create(last?.number ?? 1);
    }
  }

  get files(): number {
    return this.#segments.length;
  }

  /** The bytes of all files. */
  get bytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Returns the number of the oldest file, or null if that is the open one. */
  get oldest(): number | null {
    const [oldest, next] = this.#segments;
    return oldest && next ? oldest.number : null;
  }

  requestRotation(): void {
    this.#mustRotate = true;
  }

  /** Begins the next file if the last one is full. If the disk has no room for another file, continues the last one. */
  async rotateIfDue(): Promise<void> {
    if (!this.#mustRotate && this.#current.bytes < SEGMENT_BYTES) return;
    const previous = this.#handle;
    try {
      await previous.datasync(); // with sync "write" too: a file before the last one is always complete
      await this.#create(this.#current.number + 1);
    } catch {
      return;
    }
    this.#mustRotate = false;
    await previous.close();
  }

  /** Writes all bytes or none. */
  async append(bytes: Buffer, mustSync: boolean): Promise<void> {
    const current = this.#current;
    try {
      await writeAll(this.#handle, bytes, current.bytes);
      if (mustSync) await this.#handle.datasync();
    } catch (error) {
      await this.#handle.truncate(current.bytes).catch(() => {});
      throw error;
    }
    current.bytes += bytes.length;
  }

  async removeOldest(): Promise<void> {
    const [oldest] = this.#segments.splice(0, 1);
    if (!oldest) return;
    await rm(segmentFile(this.#folder, oldest.number), { force: true });
    // Otherwise a power cut could leave an older file without a newer one.
    await syncDir(this.#folder);
  }

  async close(): Promise<void> {
    await this.#handle.datasync().catch(() => {});
    await this.#handle.close();
  }

  get #current(): { number: number; bytes: number } {
    return this.#segments.at(-1) as { number: number; bytes: number };
  }

  async #create(number: number): Promise<void> {
    const file = segmentFile(this.#folder, number);
    const handle = await open(file, "w", OWNER_ONLY);
    try {
      await writeAll(handle, FILE_HEADER, 0);
      await handle.datasync();
      await syncDir(this.#folder);
    } catch (error) {
      await handle.close();
      await rm(file, { force: true });
      throw error;
    }
    this.#handle = handle;
    this.#segments.push({ number, bytes: FILE_HEADER.length });
  }
}

async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  const write = bytes.length > MAX_SYNC_WRITE_BYTES ? writeAsync : writeNow;
  for (let written = 0; written < bytes.length; )
    written += await write(handle, bytes.subarray(written), position + written);
}

const writeNow = ({ fd }: FileHandle, bytes: Buffer, position: number) =>
  writeSync(fd, bytes, 0, bytes.length, position);

const writeAsync = async (handle: FileHandle, bytes: Buffer, position: number) =>
  (await handle.write(bytes, 0, bytes.length, position)).bytesWritten;
