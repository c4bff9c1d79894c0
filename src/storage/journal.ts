import { writeSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { setTimeout as setTimer } from "node:timers";
import { setImmediate, setTimeout } from "node:timers/promises";
import type { FieldWriter } from "./field-codec.js";
import { PendingBatch, type DoneCallback } from "./pending-batch.js";
import { DiskReserve } from "./disk-reserve.js";
import {
  cutOff,
  FILE_HEADER,
  OWNER_ONLY,
  type ReadRecords,
  readSegment,
  type Segment,
  segmentFile,
  segmentNumbers,
  syncFolder,
} from "./segments.js";

/** Bytes after which a file is full and the next one begins. */
const SEGMENT = 8 * 1024 * 1024;
/** Bytes after which a batch is full: its checksum is taken at once. */
const BATCH = 512 * 1024;
/** Bytes that are written without leaving the thread. */
const AT_ONCE = 64 * 1024;
/** Milliseconds that a record may wait for others to go with it. */
const SOON = 20;
/** Milliseconds between attempts while the disk takes nothing. */
const RETRY = 500;

/** What "safe" means: `disk` survives a power cut, `write` the death of the process. */
export type Sync = "disk" | "write";

interface JournalSettings {
  folder: string;
  sync: Sync;
  /** That names the folder. */
  option: string;
  /** Told when the disk takes nothing any more, and with null when it does again. */
  trouble: (error: Error | null) => void;
}

/** What is left of a write that never came to its end. */
export interface TornTail {
  file: string;
  bytes: number;
}

/**
 * Records in the order in which they were added, in files that only grow. What is added in one turn of the event loop,
 * and while a write is under way, is written at once; those who wait are told in the order in which they came.
 */
export class Journal {
  /** Called after each write. */
  onWritten: () => void = () => {};
  readonly #settings: JournalSettings;
  readonly #reserve: DiskReserve;
  /** From the oldest on; the last one is being written. */
  readonly #segments: { number: number; bytes: number }[] = [];
  #handle!: FileHandle;
  #lastBatch: number | null = null;
  #mustTurn = false;
  #next = new PendingBatch();
  /** Full ones, before it. */
  readonly #waiting: PendingBatch[] = [];
  /** Somebody waits for it, or has waited long enough. */
  #isWanted = false;
  #soon: NodeJS.Timeout | null = null;
  /** What a full disk has left over, to be written before anything else. */
  #again: PendingBatch | null = null;
  #isFull = false;
  #isClosing = false;
  #isClosed = false;
  /** When room was last looked for, in performance.now()'s milliseconds. */
  #lookedAt = Number.NEGATIVE_INFINITY;
  /** Until nothing is left to do. */
  #working: Promise<void> | null = null;

  private constructor(settings: JournalSettings) {
    this.#settings = settings;
    this.#reserve = new DiskReserve(settings.folder);
  }

  /**
   * Reads what is there, and goes on behind it.
   * @param read is given the records, batch by batch
   * @throws UserError `store-damaged` or `store-format`
   */
  static async open(
    settings: JournalSettings,
    read: ReadRecords,
  ): Promise<{ journal: Journal; cut: TornTail | null }> {
    const { folder, option } = settings;
    const journal = new Journal(settings);
    const numbers = await segmentNumbers(folder);
    let last: Segment | null = null;
    for (const number of numbers) {
      const isLast = number === numbers.at(-1);
      last = await readSegment(folder, number, { isLast, previous: journal.#lastBatch, option }, read);
      journal.#lastBatch = last.lastBatch;
      journal.#segments.push({ number, bytes: last.end });
    }
    await journal.#goOnBehind(last);
    await journal.#lookForRoom();
    const cut = last && last.lost > 0 ? { file: segmentFile(folder, last.number), bytes: last.lost } : null;
    return { journal, cut };
  }

  /** Of all files, in bytes. */
  get bytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** The disk has no room. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** A record that may be refused: told when it is safe, or why it is not written. */
  offer(write: (fields: FieldWriter) => void, settle: DoneCallback): void {
    this.#add("offer", write, settle);
  }

  /** A record that is refused only when the reserve is used up too: told when it is safe, or why it is not written. */
  attempt(write: (fields: FieldWriter) => void, settle: DoneCallback): void {
    this.#add("attempt", write, settle);
  }

  /** A record of what has happened already: tried until it is written. */
  keep(write: (fields: FieldWriter) => void, written: (() => void) | null = null): void {
    this.#add("keep", write, written);
  }

  /** The same, for what nobody waits for: it goes with what comes next, or soon. */
  keepSoon(write: (fields: FieldWriter) => void): void {
    this.#next.add("keep", write, null);
    this.#soon ??= setTimer(() => this.#begin(), SOON);
  }

  /** Told when all that was added so far is safe: at once where it is. */
  whenSafe(settle: DoneCallback): void {
    if (this.#working) this.#add("wait", null, settle);
    else settle(null);
  }

  /** Told when all that is kept is safe: at once where it is. */
  whenKept(settle: () => void): void {
    if (this.#working) this.#add("keep", null, settle);
    else settle();
  }

  /** How many files there are. */
  get files(): number {
    return this.#segments.length;
  }

  /** Reads the oldest file, to which nothing is written any more. @returns false where there is no room for another */
  async readOldest(read: ReadRecords): Promise<boolean> {
    if (this.#segments.length === 1) {
      this.#mustTurn = true;
      await new Promise<void>(resolve => this.#add("keep", null, () => resolve()));
    }
    const [oldest, next] = this.#segments;
    if (!oldest || !next) return false;
    const { folder, option } = this.#settings;
    await readSegment(folder, oldest.number, { isLast: false, previous: null, option }, read);
    return true;
  }

  /** Takes the oldest file away: what is still needed of it has been written again. */
  async removeOldest(): Promise<void> {
    const [oldest] = this.#segments.splice(0, 1);
    if (!oldest) return;
    await rm(segmentFile(this.#settings.folder, oldest.number), { force: true });
    // Else a power cut could leave an older file and not a newer one.
    await syncFolder(this.#settings.folder);
  }

  /** Writes what is left, and closes the file. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#begin();
    while (this.#working) await this.#working;
    this.#isClosed = true;
    await this.#handle.datasync().catch(() => {});
    await this.#handle.close();
  }

  #add(...part: Parameters<PendingBatch["add"]>): void {
    this.#next.add(...part);
    if (this.#next.length >= BATCH) {
      this.#waiting.push(this.#next);
      this.#next = new PendingBatch();
    }
    this.#begin();
  }

  #begin(): void {
    if (this.#isClosed) return;
    this.#isWanted = true;
    this.#working ??= this.#work();
  }

  async #work(): Promise<void> {
    await setImmediate();
    for (let batch = this.#take(); batch; batch = this.#take()) await this.#write(batch);
    this.#working = null;
  }

  #take(): PendingBatch | null {
    const again = this.#again;
    this.#again = null;
    const first = again ?? this.#waiting.shift() ?? null;
    if (first || !this.#isWanted) return first;
    this.#isWanted = false;
    clearTimeout(this.#soon ?? undefined);
    this.#soon = null;
    const next = this.#next;
    this.#next = new PendingBatch();
    return next;
  }

  async #write(batch: PendingBatch): Promise<void> {
    if (this.#isFull) await this.#lookForRoom();
    const wanted = this.#isFull ? batch.without(["offer"], new Error("the disk is full")) : batch;
    if (this.#mustTurn || this.#current.bytes >= SEGMENT) await this.#turn();
    try {
      if (wanted.hasRecords) await this.#commit(wanted);
    } catch (error) {
      return this.#failed(wanted, error as Error);
    }
    wanted.written();
  }

  async #commit(batch: PendingBatch): Promise<void> {
    const number = (this.#lastBatch ?? 0) + 1;
    const bytes = batch.sealed(number);
    const current = this.#current;
    try {
      await writeAll(this.#handle, bytes, current.bytes);
      if (this.#settings.sync === "disk") await this.#handle.datasync();
    } catch (error) {
      await this.#handle.truncate(current.bytes).catch(() => {});
      throw error;
    }
    current.bytes += bytes.length;
    this.#lastBatch = number;
    this.onWritten();
  }

  /** What must not be lost goes into the reserve; where that is not enough, it waits. */
  async #failed(batch: PendingBatch, error: Error): Promise<void> {
    if (!this.#isFull) {
      this.#isFull = true;
      this.#lookedAt = performance.now();
      this.#settings.trouble(error);
      await this.#reserve.giveBack();
      this.#again = batch.without(["offer", "attempt"], error);
    } else {
      const again = batch.without(["attempt", "wait"], error);
      if (this.#isClosing) return;
      this.#again = again;
      await setTimeout(RETRY);
    }
  }

  async #lookForRoom(): Promise<void> {
    if (performance.now() - this.#lookedAt < RETRY) return;
    const noRoom = await this.#reserve.take();
    this.#lookedAt = performance.now();
    if (this.#isFull === (noRoom !== null)) return;
    this.#isFull = noRoom !== null;
    this.#settings.trouble(noRoom);
  }

  get #current(): { number: number; bytes: number } {
    return this.#segments.at(-1) as { number: number; bytes: number };
  }

  async #goOnBehind(last: Segment | null): Promise<void> {
    const { folder } = this.#settings;
    if (last && last.lost > 0) await cutOff(folder, last);
    if (last && last.end > 0) this.#handle = await open(segmentFile(folder, last.number), "r+");
    else {
      this.#segments.splice(-1); // of which not even the header was written
      await this.#create(last?.number ?? 1);
    }
  }

  /** Turns to a new file; where the disk has no room for one, the old one is good enough. */
  async #turn(): Promise<void> {
    const previous = this.#handle;
    try {
      await previous.datasync(); // a file that another follows is whole, whatever the system is told of the rest
      await this.#create(this.#current.number + 1);
    } catch {
      return;
    }
    this.#mustTurn = false;
    await previous.close();
  }

  async #create(number: number): Promise<void> {
    const { folder } = this.#settings;
    const file = segmentFile(folder, number);
    const handle = await open(file, "w", OWNER_ONLY);
    try {
      await writeAll(handle, FILE_HEADER, 0);
      await handle.datasync();
      await syncFolder(folder);
    } catch (error) {
      await handle.close();
      await rm(file, { force: true });
      throw error;
    }
    this.#handle = handle;
    this.#segments.push({ number, bytes: FILE_HEADER.length });
  }
}

/** A few bytes are in the system's memory sooner than another thread has heard of them. */
async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  const write = bytes.length > AT_ONCE ? writeElsewhere : writeHere;
  for (let written = 0; written < bytes.length; )
    written += await write(handle, bytes.subarray(written), position + written);
}

const writeHere = ({ fd }: FileHandle, bytes: Buffer, position: number) =>
  writeSync(fd, bytes, 0, bytes.length, position);

const writeElsewhere = async (handle: FileHandle, bytes: Buffer, position: number) =>
  (await handle.write(bytes, 0, bytes.length, position)).bytesWritten;
