import { existsSync } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import path from "node:path";
import { platform } from "node:process";
import { shellQuote } from "../util/shell-quote.js";

/** Only the owner may read the messages. */
const OWNER_ONLY = 0o700;

/** The permission of the group and of all others to write. */
const OTHERS_WRITE = 0o022;

/** Whether others may replace the files of a folder. The permissions of an existing folder stay unchanged. */
export async function isWritableByOthers(folder: string): Promise<boolean> {
  return platform !== "win32" && ((await stat(folder)).mode & OTHERS_WRITE) !== 0;
}

export const writableByOthersWarning = (folder: string) => ({
  event: "warning" as const,
  code: "folder-open-to-others",
  message: `other users may write to ${folder} and replace its files.`,
  hint: `Restrict it to your user: chmod 700 ${shellQuote(folder)}`,
});

/** Creates a folder and its parents. Node's recursive mkdir never ends where the system creates none, as in /proc. */
export async function makePrivateDir(folder: string): Promise<void> {
  try {
    await mkdir(folder, OWNER_ONLY);
  } catch (error) {
    if (existsSync(folder)) return; // if it is no folder, its use fails
    const parent = path.dirname(folder);
    if (parent === folder || existsSync(parent)) throw error;
    await makePrivateDir(parent);
    await mkdir(folder, OWNER_ONLY);
  }
}
