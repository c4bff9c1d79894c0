import { setTimeout as setTimer } from "node:timers";
import { setImmediate, setTimeout } from "node:timers/promises";
import type { DoneCallback } from "../util/done-callback.js";
import { DiskReserve } from "./disk-reserve.js";
import type { FieldWriter } from "./field-codec.js";
import { PendingBatch } from "./pending-batch.js";
import { SegmentWriter } from "./segment-writer.js";
import { type ReadRecords, readSegment, type Segment, segmentFile, segmentNumbers } from "./segments.js";

/** Bytes after which a batch is full. */
const MAX_BATCH_BYTES = 512 * 1024;
/** Milliseconds that `appendSoon` waits for other records. */
const SOON_MS = 20;
/** Milliseconds between attempts while the disk accepts nothing. */
const RETRY_MS = 500;

/** Durability: `disk` survives a power cut, `write` the death of the process. */
export type Sync = "disk" | "write";

interface JournalSettings {
  folder: string;
  sync: Sync;
  /** The command-line option that names the folder. */
  option: string;
  /** Called when the disk accepts nothing, and with null when it does again. */
  onDiskError: (error: Error | null) => void;
}

/** The rest of a write that a crash interrupted. */
export interface TornTail {
  file: string;
  bytes: number;
}

/**
 * An append-only log of records. One batch holds the records of one turn of the event loop and those that were added
 * during the write before. The callbacks of a batch run in the order of its records.
 */
export class Journal {
  /** Called after each write. */
  onWritten: () => void = () => {};
  readonly #settings: JournalSettings;
  readonly #reserve: DiskReserve;
  readonly #segments: SegmentWriter;
  #lastBatch: number | null = null;
  #next = new PendingBatch();
  /** Full batches before it. */
  readonly #fullBatches: PendingBatch[] = [];
  /** `#next` must be written without further delay. */
  #isDue = false;
  #soon: NodeJS.Timeout | null = null;
  /** The rest of a batch that failed on a full disk, to be written before the others. */
  #retry: PendingBatch | null = null;
  #isFull = false;
  #isClosing = false;
  #isClosed = false;
  /** When the free space was last checked, in performance.now()'s milliseconds. */
  #checkedAt = Number.NEGATIVE_INFINITY;
  /** Resolves when all that is due has been written. */
  #working: Promise<void> | null = null;

  private constructor(settings: JournalSettings) {
    this.#settings = settings;
    this.#reserve = new DiskReserve(settings.folder);
    this.#segments = new SegmentWriter(settings.folder);
  }

  /**
   * Reads the files in a folder, and continues behind them.
   * @param read called with the records of each batch
   * @throws UserError `store-damaged` or `store-format`
   */
  static async open(
    settings: JournalSettings,
    read: ReadRecords,
  ): Promise<{ journal: Journal; cut: TornTail | null }> {
    const { folder, option } = settings;
    const journal = new Journal(settings);
    const numbers = await segmentNumbers(folder);
    const segments: Segment[] = [];
    for (const number of numbers) {
      const isLast = number === numbers.at(-1);
      const position = { isLast, previous: journal.#lastBatch, option };
      const segment = await readSegment(folder, number, position, read);
      journal.#lastBatch = segment.lastBatch;
      segments.push(segment);
    }
    await journal.#segments.open(segments);
    await journal.#checkSpace();
    const last = segments.at(-1);
    const cut = last && last.lost > 0 ? { file: segmentFile(folder, last.number), bytes: last.lost } : null;
    return { journal, cut };
  }

  /** The bytes of all files. */
  get bytes(): number {
    return this.#segments.bytes;
  }

  get files(): number {
    return this.#segments.files;
  }

  /** The disk has no space. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Adds a record that is refused on a full disk. */
  offer(write: (fields: FieldWriter) => void, done: DoneCallback): void {
    this.#add("offer", write, done);
  }

  /** Adds a record that is refused only if the reserve is full too. */
  attempt(write: (fields: FieldWriter) => void, done: DoneCallback): void {
    this.#add("attempt", write, done);
  }

  /** Adds a record of a change that has happened. The journal tries until it is written. */
  append(write: (fields: FieldWriter) => void, written: (() => void) | null = null): void {
    this.#add("append", write, written);
  }

  /** Adds such a record that nothing waits for. It is written with the next record, or soon. */
  appendSoon(write: (fields: FieldWriter) => void): void {
    this.#next.add("append", write, null);
    this.#soon ??= setTimer(() => this.#begin(), SOON_MS);
  }

  /** Calls back when all records so far are durable or refused: at once if none is pending. */
  onDurable(done: DoneCallback): void {
    if (this.#working) this.#add("wait", null, done);
    else done(null);
  }

  /** Calls back when all appended records so far are durable: at once if none is pending. */
  onAppended(done: () => void): void {
    if (this.#working) this.#add("append", null, done);
    else done();
  }

  /** Reads the oldest file, which is complete. Returns false if the disk has no room for a next one. */
  async readOldest(read: ReadRecords): Promise<boolean> {
    if (this.#segments.oldest === null) {
      this.#segments.requestRotation();
      await new Promise<void>(resolve => this.#add("append", null, () => resolve()));
    }
    const { oldest } = this.#segments;
    if (oldest === null) return false;
    const { folder, option } = this.#settings;
    await readSegment(folder, oldest, { isLast: false, previous: null, option }, read);
    return true;
  }

  /** Removes the oldest file, after its live records were appended again. */
  async removeOldest(): Promise<void> {
    await this.#segments.removeOldest();
  }

  /** Writes the pending records, and closes the file. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#begin();
    while (this.#working) await this.#working;
    this.#isClosed = true;
    await this.#segments.close();
  }

  #add(...part: Parameters<PendingBatch["add"]>): void {
    this.#next.add(...part);
    if (this.#next.length >= MAX_BATCH_BYTES) {
      this.#fullBatches.push(this.#next);
      this.#next = new PendingBatch();
    }
    this.#begin();
  }

  #begin(): void {
    if (this.#isClosed) return;
    this.#isDue = true;
    this.#working ??= this.#work();
  }

  async #work(): Promise<void> {
    await setImmediate();
    for (let batch = this.#take(); batch; batch = this.#take()) await this.#write(batch);
    this.#working = null;
  }

  #take(): PendingBatch | null {
    const retry = this.#retry;
    this.#retry = null;
    const first = retry ?? this.#fullBatches.shift() ?? null;
    if (first || !this.#isDue) return first;
    this.#isDue = false;
    clearTimeout(this.#soon ?? undefined);
    this.#soon = null;
    const next = this.#next;
    this.#next = new PendingBatch();
    return next;
  }

  async #write(batch: PendingBatch): Promise<void> {
    if (this.#isFull) await this.#checkSpace();
    const accepted = this.#isFull ? batch.refuse(["offer"], new Error("the disk is full")) : batch;
    await this.#segments.rotateIfDue();
    try {
      if (accepted.hasRecords) await this.#commit(accepted);
    } catch (error) {
      return this.#onFailure(accepted, error as Error);
    }
    accepted.resolve();
  }

  async #commit(batch: PendingBatch): Promise<void> {
    const number = (this.#lastBatch ?? 0) + 1;
    await this.#segments.append(batch.seal(number), this.#settings.sync === "disk");
    this.#lastBatch = number;
    this.onWritten();
  }

  /** Retries the records that must not be lost: first with the space of the reserve, then after a delay. */
  async #onFailure(batch: PendingBatch, error: Error): Promise<void> {
    if (!this.#isFull) {
      this.#isFull = true;
      this.#checkedAt = performance.now();
      this.#settings.onDiskError(error);
      await this.#reserve.release();
      this.#retry = batch.refuse(["offer", "attempt"], error);
    } else {
      const retry = batch.refuse(["attempt", "wait"], error);
      if (this.#isClosing) return;
      this.#retry = retry;
      await setTimeout(RETRY_MS);
    }
  }

  async #checkSpace(): Promise<void> {
    if (performance.now() - this.#checkedAt < RETRY_MS) return;
    const error = await this.#reserve.take();
    this.#checkedAt = performance.now();
    if (this.#isFull === (error !== null)) return;
    this.#isFull = error !== null;
    this.#settings.onDiskError(error);
  }
}
