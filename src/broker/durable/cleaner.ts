import { setImmediate } from "node:timers/promises";
import type { FieldReader } from "../journal/fields.js";
import type { Journal } from "../journal/journal.js";
import { readRecord, type StoreRecord, writeRecord } from "./records.js";

/** Bytes of files that are not worth tidying. */
const UNTIDY = 16 * 1024 * 1024;
/** Records that are looked at in one turn of the event loop. */
const AT_ONCE = 200;

/** False for what it has been asked for before. */
export type Once = (key: string) => boolean;

/** What the cleaner has to know of a store. */
export interface Cleaned {
  /** About how many bytes are stored, were each written once. */
  liveBytes(): number;
  /** What of that record still holds, as it is now; the first time that it comes in a file. */
  stillHolds(record: StoreRecord, once: Once): StoreRecord | null;
}

/**
 * Keeps the journal in proportion to what is stored: when less than half of it is needed, the oldest file's records that
 * still hold are written again at the end, and the file goes. So a record that takes another back can go when it is in the
 * oldest file: what it took back is gone already.
 */
export class Cleaner {
  readonly #journal: Journal;
  readonly #store: Cleaned;
  #running: Promise<void> | null = null;
  #isStopped = false;
  /** What a whole round has left over: to try that again would gain nothing. */
  #leftOver = 0;

  constructor(journal: Journal, store: Cleaned) {
    this.#journal = journal;
    this.#store = store;
  }

  /** To be called when something has been written. */
  check(): void {
    if (this.#running || this.#isStopped || this.#surplus <= this.#leftOver) return;
    this.#running = this.#clean()
      .catch(() => {}) // the next time, then
      .finally(() => {
        this.#running = null;
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
    const seen = new Set<string>();
    const once = (key: string) => !seen.has(key) && seen.add(key).size > 0;
    const hasRead = await this.#journal.readOldest(records => this.#writeAgain(records, once));
    if (!hasRead || this.#isStopped) return false;
    await new Promise<void>((resolve, reject) =>
      this.#journal.whenSafe(error => (error ? reject(error) : resolve())),
    );
    await this.#journal.removeOldest();
    return true;
  }

  /** A piece at a time, each when the one before is safe: others write in between. */
  async #writeAgain(records: FieldReader, once: Once): Promise<void> {
    while (!records.isAtEnd && !this.#isStopped) {
      const piece: StoreRecord[] = [];
      for (let i = 0; i < AT_ONCE && !records.isAtEnd; i++) {
        const record = this.#store.stillHolds(readRecord(records), once);
        if (record) piece.push(record);
      }
      if (piece.length === 0) await setImmediate();
      else await this.#write(piece);
    }
  }

  #write(piece: StoreRecord[]): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#journal.offer(
        to => {
          for (const record of piece) writeRecord(to, record);
        },
        error => (error ? reject(error) : resolve()),
      ),
    );
  }
}
