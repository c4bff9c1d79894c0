import { access, constants, writeFile } from "node:fs/promises";
import { UserError } from "../util/errors.js";

/**
 * Finds out at once whether a file can be written, before anybody has waited for what is to be in it.
 * @param what it is, as in "the transcript mine.md can't be written"
 * @returns what writes it
 * @throws UserError when it can't be written
 */
export async function openTextFile(
  file: string,
  what: string,
  example: string,
): Promise<(text: string) => Promise<void>> {
  const cantWrite = ({ code }: NodeJS.ErrnoException) => {
    const why = code === "EISDIR" ? "it is a folder" : code === "ENOENT" ? "its folder is not there" : code;
    const message = `the ${what} ${file} can't be written: ${why}.`;
    throw new UserError(what, message, `Give a file in a folder of yours: ${example}`);
  };
  await access(file, constants.W_OK).catch(() => writeFile(file, "").catch(cantWrite));
  return text => writeFile(file, text).catch(cantWrite);
}
