import { randomUUID } from "node:crypto";
import { chmod, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { UserError } from "../../util/errors.js";
import { hashPassword } from "./password-hash.js";
import { BEGINNING, withPassword } from "./users-file.js";

/** The owner's only: a hash can be tried at leisure. */
const OWNERS_ONLY = 0o600;

/**
 * Sets a user's password in that file, which is made where there is none. Another broker or editor sees it as it was, or
 * as it is then.
 * @returns whether the user is new there
 * @throws UserError when it can't be written
 */
export async function setPassword(file: string, user: string, password: string): Promise<boolean> {
  const hash = await hashPassword(Buffer.from(password));
  const target = await realpath(file).catch(() => file);
  const temporary = `${target}.${randomUUID().slice(0, 8)}.new`;
  try {
    const old = await textOf(target);
    const text = withPassword(old ?? BEGINNING, user, hash);
    await writeFile(temporary, text, { mode: OWNERS_ONLY, flag: "wx" });
    if (old !== null) await chmod(temporary, (await stat(target)).mode & 0o777);
    await rename(temporary, target);
    return text.split("\n").length !== (old ?? "").split("\n").length;
  } catch (error) {
    await rm(temporary, { force: true });
    throw new UserError(
      "users-file",
      `${file} can't be written: ${(error as Error).message}.`,
      "Name a file in a folder that this user may write to.",
    );
  }
}

async function textOf(file: string): Promise<string | null> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
