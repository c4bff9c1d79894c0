import { readFile } from "node:fs/promises";
import { type StatsListener, unwatchFile, watchFile } from "node:fs";
import { setTimeout } from "node:timers/promises";

/** Milliseconds between two looks. */
const INTERVAL = 500;
/** Milliseconds in which a file that is being written changes again. */
const SETTLED = 150;

/** Nothing where there is none: an editor may be about to put another in its place. */
const contentOf = (file: string) => readFile(file).catch(() => Buffer.alloc(0));

/**
 * Tells when a file has changed, and is not being written any more. By looking at its name now and then: what watches a
 * file is blind to another that an editor puts in its place.
 */
export class FileWatcher {
  readonly #file: string;
  readonly #listener: StatsListener;
  #isLooking = false;
  #isClosed = false;

  constructor(file: string, changed: () => Promise<void>) {
    this.#file = file;
    this.#listener = () => void this.#look(changed);
    watchFile(file, { interval: INTERVAL, persistent: false }, this.#listener);
  }

  close(): void {
    this.#isClosed = true;
    unwatchFile(this.#file, this.#listener);
  }

  async #look(changed: () => Promise<void>): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      for (let before = null as Buffer | null; !this.#isClosed; ) {
        const now = await contentOf(this.#file);
        if (before?.equals(now)) break;
        before = now;
        await setTimeout(SETTLED, undefined, { ref: false });
      }
      if (!this.#isClosed) await changed();
    } finally {
      this.#isLooking = false;
    }
  }
}
