import { setImmediate } from "node:timers/promises";
import { isUserError, type UserError } from "../../../util/errors.js";
import { type FieldReader, FieldWriter } from "../../../storage/field-codec.js";
import type { Journal } from "../../../storage/journal.js";
import { RESERVE_BYTES } from "../../../storage/disk-reserve.js";
import type { Once } from "./live-records.js";
import { readRecord, type StoreRecord, writeRecord } from "./record-codec.js";

/** Bytes of files that are not worth tidying. */
const UNTIDY = 16 * 1024 * 1024;
/** Looked at, and written again, in one turn of the event loop. */
const RECORDS_AT_ONCE = 200;
const BYTES_AT_ONCE = 64 * 1024;

/** What the cleaner has to know of a store. */
export interface CompactionResult {
  /** About how many bytes are stored, were each written once. */
  liveBytes(): number;
  /** What of that record still holds, as it is now; the first time that it comes in a file. */
  stillHolds(record: StoreRecord, once: Once): StoreRecord | null;
  /** A file can't be read any more as it was written. */
  damaged(error: UserError): void;
}

/**
 * Keeps the journal in proportion to what is stored: when less than half of it is needed, the oldest file's records that
 * still hold are written again at the end, and the file goes. So a record that takes another back can go when it is in the
 * oldest file: what it took back is gone already.
 */
export class Compactor {
  readonly #journal: Journal;
  readonly #store: CompactionResult;
  #running: Promise<void> | null = null;
  #isStopped = false;
  /** What a whole round has left over: to try that again would gain nothing. */
  #leftOver = 0;

  constructor(journal: Journal, store: CompactionResult) {
    this.#journal = journal;
    this.#store = store;
  }

  /** To be called when something has been written. */
  check(): void {
    if (this.#running || this.#isStopped || this.#surplus <= this.#leftOver) return;
    this.#running = this.#clean()
      .catch((error: Error) => {
        this.#leftOver = this.#surplus + RESERVE_BYTES; // not at once again
        if (isUserError(error)) this.#store.damaged(error);
      })
      .finally(() => {
        this.#running = null;
        this.check(); // much may have been acknowledged meanwhile
      });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  /** Bytes beyond what is tidy; on a full disk every byte counts. */
  get #surplus(): number {
    const { bytes, isFull } = this.#journal;
    return bytes - 2 * this.#store.liveBytes() - (isFull ? 0 : UNTIDY);
  }

  async #clean(): Promise<void> {
    for (let { files } = this.#journal; files > 0; files--) {
      if (this.#isStopped || !(await this.#cleanOldest())) return;
      if (this.#surplus <= 0) {
        this.#leftOver = 0;
        return;
      }
    }
    this.#leftOver = Math.max(0, this.#surplus);
  }

  async #cleanOldest(): Promise<boolean> {
    const more = this.#surplus + RESERVE_BYTES;
    const isAffordable = !this.#journal.isFull || (await this.#isAffordable());
    const isWritten = isAffordable && (await this.#eachThatHolds(piece => this.#write(piece)));
    if (isWritten && !this.#isStopped) await this.#journal.removeOldest();
    else this.#leftOver = more; // to be tried again when there is less to write
    return isWritten;
  }

  /** On a full disk, only so much can be written before anything is gained. */
  async #isAffordable(): Promise<boolean> {
    let bytes = 0;
    await this.#eachThatHolds(async piece => {
      bytes += piece.length;
    });
    return bytes <= RESERVE_BYTES;
  }

  /**
   * What still holds of the oldest file, a piece at a time: others write in between.
   * @returns false where that file is not complete yet
   */
  #eachThatHolds(tell: (piece: Buffer) => Promise<void>): Promise<boolean> {
    const seen = new Set<string>();
    const once = (key: string) => !seen.has(key) && seen.add(key).size > 0;
    return this.#journal.readOldest(async records => {
      while (!records.isAtEnd && !this.#isStopped) {
        const piece = this.#nextPiece(records, once);
        await (piece.length > 0 ? tell(piece) : setImmediate());
      }
    });
  }

  #nextPiece(records: FieldReader, once: Once): Buffer {
    const piece = new FieldWriter(0);
    for (let i = 0; i < RECORDS_AT_ONCE && piece.length < BYTES_AT_ONCE && !records.isAtEnd; i++) {
      const record = this.#store.stillHolds(readRecord(records), once);
      if (record) writeRecord(piece, record);
    }
    return piece.bytes;
  }

  #write(piece: Buffer): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#journal.attempt(
        to => to.append(piece),
        error => (error ? reject(error) : resolve()),
      ),
    );
  }
}
