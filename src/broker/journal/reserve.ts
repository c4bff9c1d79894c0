import { open, rm } from "node:fs/promises";
import path from "node:path";

/** Bytes that are given back when the disk is full: for what is acknowledged and sent then, and for tidying up. */
const RESERVE = 128 * 1024;
/** Bytes that have to be free beside them before the disk counts as having room again. */
const MARGIN = 128 * 1024;

/** Room on the disk that is kept for when there is none. */
export class Reserve {
  readonly #file: string;

  constructor(folder: string) {
    this.#file = path.join(folder, "reserve");
  }

  /** @returns false when the disk has not that much room */
  async take(): Promise<boolean> {
    try {
      const handle = await open(this.#file, "w");
      try {
        await handle.writeFile(Buffer.alloc(RESERVE + MARGIN, FILL));
        await handle.sync();
        await handle.truncate(RESERVE);
      } finally {
        await handle.close();
      }
      return true;
    } catch {
      await this.giveBack();
      return false;
    }
  }

  async giveBack(): Promise<void> {
    await rm(this.#file, { force: true }).catch(() => {});
  }
}

/** Not zeros, which some file systems do not store. */
const FILL = 0xff;
