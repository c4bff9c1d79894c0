import { setImmediate } from "node:timers/promises";
import { isUserError, type UserError } from "../../../util/errors.js";
import { type FieldReader, FieldWriter } from "../../../storage/field-codec.js";
import type { Journal } from "../../../storage/journal.js";
import { COMPACTION_RESERVE_BYTES } from "../../../storage/disk-reserve.js";
import type { Once } from "./live-records.js";
import { readRecord, type StoreRecord, writeRecord } from "./record-codec.js";

/** Bytes beyond the live ones that are worth a compaction. */
const MIN_SURPLUS_BYTES = 16 * 1024 * 1024;
/** The most that is read and written in one turn of the event loop. */
const MAX_PIECE_RECORDS = 200;
const MAX_PIECE_BYTES = 64 * 1024;

/** The store whose journal is compacted. */
export interface CompactedStore {
  /** Returns the approximate bytes of all that is stored, if each record were written once. */
  liveBytes(): number;
  /** Returns the part of the record that is still valid, once for each file. */
  liveRecord(record: StoreRecord, once: Once): StoreRecord | null;
  /** A file no longer has the content that was written. */
  onDamaged(error: UserError): void;
}

/**
 * Compacts the journal when less than half of it is live: appends the live records of the oldest file again, and removes
 * the file. A record that undoes another is never live: the record that it undoes is in the same file or in none.
 */
export class Compactor {
  readonly #journal: Journal;
  readonly #store: CompactedStore;
  #running: Promise<void> | null = null;
  #isStopped = false;
  /** Bytes of surplus that remained after all files were compacted: another round would gain nothing. */
  #residue = 0;

  constructor(journal: Journal, store: CompactedStore) {
    this.#journal = journal;
    this.#store = store;
  }

  /** Starts a compaction if it is due, to be called after each write. */
  check(): void {
    if (this.#running || this.#isStopped || this.#surplus <= this.#residue) return;
    this.#running = this.#compact()
      .catch((error: Error) => {
        this.#residue = this.#surplus + COMPACTION_RESERVE_BYTES; // not again at once
        if (isUserError(error)) this.#store.onDamaged(error);
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

  /** Bytes beyond twice the live ones. On a full disk every byte counts. */
  get #surplus(): number {
    const { bytes, isFull } = this.#journal;
    return bytes - 2 * this.#store.liveBytes() - (isFull ? 0 : MIN_SURPLUS_BYTES);
  }

  async #compact(): Promise<void> {
    for (let { files } = this.#journal; files > 0; files--) {
      if (this.#isStopped || !(await this.#compactOldest())) return;
      if (this.#surplus <= 0) {
        this.#residue = 0;
        return;
      }
    }
    this.#residue = Math.max(0, this.#surplus);
  }

  async #compactOldest(): Promise<boolean> {
    const more = this.#surplus + COMPACTION_RESERVE_BYTES;
    const isAffordable = !this.#journal.isFull || (await this.#isAffordable());
    const isWritten = isAffordable && (await this.#eachLivePiece(piece => this.#write(piece)));
    if (isWritten && !this.#isStopped) await this.#journal.removeOldest();
    else this.#residue = more; // tries again when there is less to write
    return isWritten;
  }

  /** On a full disk, the reserve limits what is written before a file is removed. */
  async #isAffordable(): Promise<boolean> {
    let bytes = 0;
    await this.#eachLivePiece(async piece => {
      bytes += piece.length;
    });
    return bytes <= COMPACTION_RESERVE_BYTES;
  }

  /**
   * Reads the live records of the oldest file, a piece at a time: others write in between.
   * @returns false if that file is not complete yet
   */
  #eachLivePiece(use: (piece: Buffer) => Promise<void>): Promise<boolean> {
    const seen = new Set<string>();
    const once = (key: string) => !seen.has(key) && seen.add(key).size > 0;
    return this.#journal.readOldest(async records => {
      while (!records.isAtEnd && !this.#isStopped) {
        const piece = this.#nextPiece(records, once);
        await (piece.length > 0 ? use(piece) : setImmediate());
      }
    });
  }

  #nextPiece(records: FieldReader, once: Once): Buffer {
    const piece = new FieldWriter(0);
    for (let i = 0; i < MAX_PIECE_RECORDS && piece.length < MAX_PIECE_BYTES && !records.isAtEnd; i++) {
      const record = this.#store.liveRecord(readRecord(records), once);
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
