import { readFile } from "node:fs/promises";
import { type StatsListener, unwatchFile, watchFile } from "node:fs";
import { setTimeout } from "node:timers/promises";

/** Milliseconds between two checks. */
const CHECK_INTERVAL_MS = 500;
/** Milliseconds without a change after which a file is completely written. */
const SETTLE_MS = 150;

/** Returns an empty buffer if the file is missing: an editor may be about to replace it. */
const contentOf = (file: string) => readFile(file).catch(() => Buffer.alloc(0));

/**
 * Calls back when a file has changed and is completely written. Polls the file's name: fs.watch does not see another file
 * that an editor puts in its place.
 */
export class FileWatcher {
  readonly #file: string;
  readonly #listener: StatsListener;
  #isChecking = false;
  #isClosed = false;

  constructor(file: string, onChanged: () => Promise<void>) {
    this.#file = file;
    this.#listener = () => void this.#check(onChanged);
    watchFile(file, { interval: CHECK_INTERVAL_MS, persistent: false }, this.#listener);
  }

  close(): void {
    this.#isClosed = true;
    unwatchFile(this.#file, this.#listener);
  }

  async #check(onChanged: () => Promise<void>): Promise<void> {
    if (this.#isChecking) return;
    this.#isChecking = true;
    try {
      for (let before = null as Buffer | null; !this.#isClosed; ) {
        const now = await contentOf(this.#file);
        if (before?.equals(now)) break;
        before = now;
        await setTimeout(SETTLE_MS, undefined, { ref: false });
      }
      if (!this.#isClosed) await onChanged();
    } finally {
      this.#isChecking = false;
    }
  }
}
