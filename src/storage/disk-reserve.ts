import { open, rm } from "node:fs/promises";
import path from "node:path";
import { OWNER_ONLY } from "./segments.js";

/** Bytes that are released on a full disk: for records that must not be lost, and for compaction. */
const FILE_BYTES = 128 * 1024;
/** Bytes of them that a compaction may use. */
export const COMPACTION_RESERVE_BYTES = FILE_BYTES / 2;
/** Further free bytes that the disk needs before it counts as writable again. */
const MARGIN_BYTES = 128 * 1024;
/** Not zeros: some file systems do not store them. */
const FILL = 0xff;

/** A file that holds disk space, so that some is left when the disk is full. */
export class DiskReserve {
  readonly #file: string;

  constructor(folder: string) {
    this.#file = path.join(folder, "reserve");
  }

  /** Creates the file. Returns the error if the disk has too little space. */
  async take(): Promise<Error | null> {
    try {
      const handle = await open(this.#file, "w", OWNER_ONLY);
      try {
        await handle.writeFile(Buffer.alloc(FILE_BYTES + MARGIN_BYTES, FILL));
        await handle.sync();
        await handle.truncate(FILE_BYTES);
      } finally {
        await handle.close();
      }
      return null;
    } catch (error) {
      await this.release();
      return error as Error;
    }
  }

  async release(): Promise<void> {
    await rm(this.#file, { force: true }).catch(() => {});
  }
}
