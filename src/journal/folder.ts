import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";

/** What people publish is nobody else's to read. */
const OWNER_ONLY = 0o700;

/** With the folders that lead to it. Node's own way tries for ever where a system makes none, as in /proc. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, OWNER_ONLY);
  } catch (error) {
    if (existsSync(folder)) return; // what it is shows when it is used
    const parent = path.dirname(folder);
    if (parent === folder || existsSync(parent)) throw error;
    await makeFolder(parent);
    await mkdir(folder, OWNER_ONLY);
  }
}
