import { existsSync } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import path from "node:path";
import { platform } from "node:process";

/** What people publish is nobody else's to read. */
const OWNER_ONLY = 0o700;

/** The right to write, of the group and of all others. */
const OTHERS_WRITE = 0o022;

/** Where others may write, they can put other files in the place of those: a folder that was there before stays as it is. */
export async function isReadableByOthers(folder: string): Promise<boolean> {
  return platform !== "win32" && ((await stat(folder)).mode & OTHERS_WRITE) !== 0;
}

export const readableByOthersWarning = (folder: string) => ({
  event: "warning" as const,
  code: "folder-open-to-others",
  message: `others may write to ${folder}, and put other files in the place of those that are kept there.`,
  hint: `To have it to yourself: chmod 700 ${JSON.stringify(folder)}`,
});

/** With the folders that lead to it. Node's own way tries for ever where a system makes none, as in /proc. */
export async function makePrivateDir(folder: string): Promise<void> {
  try {
    await mkdir(folder, OWNER_ONLY);
  } catch (error) {
    if (existsSync(folder)) return; // what it is shows when it is used
    const parent = path.dirname(folder);
    if (parent === folder || existsSync(parent)) throw error;
    await makePrivateDir(parent);
    await mkdir(folder, OWNER_ONLY);
  }
}
