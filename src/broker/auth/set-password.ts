import { randomUUID } from "node:crypto";
import { chmod, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { UserError } from "../../util/errors.js";
import { hashPassword } from "./password-hash.js";
import { NEW_FILE, withPassword } from "./users-file.js";

/** Others must not read a hash: they could try passwords offline. */
const OWNER_ONLY = 0o600;

/**
 * Sets a user's password in that file, which is created if needed. The file changes atomically.
 * @returns whether the user is new
 * @throws UserError if the file cannot be written
 */
export async function setPassword(file: string, user: string, password: string): Promise<boolean> {
  const hash = await hashPassword(Buffer.from(password));
  const target = await realpath(file).catch(() => file);
  const temporary = `${target}.${randomUUID().slice(0, 8)}.new`;
  try {
    const old = await readIfExists(target);
    const text = withPassword(old ?? NEW_FILE, user, hash);
    await writeFile(temporary, text, { mode: OWNER_ONLY, flag: "wx" });
    if (old !== null) await chmod(temporary, (await stat(target)).mode & 0o777);
    await rename(temporary, target);
    return text.split("\n").length !== (old ?? "").split("\n").length;
  } catch (error) {
    await rm(temporary, { force: true });
    throw new UserError(
      "users-file",
      `cannot write ${file}: ${(error as Error).message}.`,
      "Name a file in a folder that this user may write to.",
    );
  }
}

async function readIfExists(file: string): Promise<string | null> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
