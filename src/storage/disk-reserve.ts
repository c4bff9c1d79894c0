import { open, rm } from "node:fs/promises";
import path from "node:path";
import { OWNER_ONLY } from "./segments.js";

/** Bytes that are given back when the disk is full: for what is acknowledged and sent then, and for tidying up. */
const RESERVE = 128 * 1024;
/** Bytes of it that tidying up may take. */
export const RESERVE_BYTES = RESERVE / 2;
/** Bytes that have to be free beside them before the disk counts as having room again. */
const MARGIN = 128 * 1024;

/** Room on the disk that is kept for when there is none. */
export class DiskReserve {
  readonly #file: string;

  constructor(folder: string) {
    this.#file = path.join(folder, "reserve");
  }

  /** @returns why not, where the disk has not that much room */
  async take(): Promise<Error | null> {
    try {
      const handle = await open(this.#file, "w", OWNER_ONLY);
      try {
        await handle.writeFile(Buffer.alloc(RESERVE + MARGIN, FILL));
        await handle.sync();
        await handle.truncate(RESERVE);
      } finally {
        await handle.close();
      }
      return null;
    } catch (error) {
      await this.giveBack();
      return error as Error;
    }
  }

  async giveBack(): Promise<void> {
    await rm(this.#file, { force: true }).catch(() => {});
  }
}

/** Not zeros, which some file systems do not store. */
const FILL = 0xff;
