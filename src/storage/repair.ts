import { constants } from "node:fs";
import { copyFile, open, readFile, rename } from "node:fs/promises";
import path from "node:path";
import { batchAt, type BatchAt, MAGIC, seal } from "./batch.js";
import {
  FILE_HEADER,
  OWNER_ONLY,
  refuseOtherFormat,
  segmentFile,
  segmentNumbers,
  syncFolder,
} from "./segments.js";

/** What can't be read of a journal. */
export interface MissingBatches {
  file: string;
  /** In bytes, the first one and the one behind the last; the same where nothing of it is there. */
  from: number;
  to: number;
  what: string;
}

interface Kept {
  number: number;
  start: number;
  end: number;
}

interface ReadFile {
  file: string;
  bytes: Buffer;
  batches: Kept[];
  leftOut: MissingBatches[];
}

/**
 * Writes a damaged journal anew, with every batch that can be read, in order; each file that changes is kept aside as it
 * was. Files behind the last damage stay as they are. Killed at any moment, it can be done again.
 * @param option names the folder
 * @returns what was left out; nothing where the journal is whole
 * @throws UserError `store-format`
 */
export async function repair(folder: string, option: string): Promise<MissingBatches[]> {
  const files: ReadFile[] = [];
  let last: number | null = null;
  for (const number of await segmentNumbers(folder)) {
    const file = segmentFile(folder, number);
    const bytes = await readFile(file);
    refuseOtherFormat(bytes, folder, option);
    const read = readBatches(file, bytes, last);
    last = read.batches.at(-1)?.number ?? last;
    files.push(read);
  }
  const newest = files.at(-1);
  if (newest && isCutOnly(newest)) newest.leftOut = [];
  const leftOut = files.flatMap(each => each.leftOut);
  if (leftOut.length === 0) return [];
  let next = last ?? 0;
  // From the newest on, so that what is behind the damage keeps its numbers.
  for (const each of files.toReversed()) {
    const first = next - each.batches.length + 1;
    const isWhole = each.leftOut.length === 0 && each.batches.every(({ number }, i) => number === first + i);
    if (!isWhole) await writeAnew(folder, each, first);
    next = first - 1;
  }
  return leftOut;
}

/** @param previous the number of the batch before the file's first */
function readBatches(file: string, bytes: Buffer, previous: number | null): ReadFile {
  const read: ReadFile = { file, bytes, batches: [], leftOut: [] };
  const hasHeader = bytes.subarray(0, FILE_HEADER.length).equals(FILE_HEADER);
  let last = previous;
  let at = hasHeader ? FILE_HEADER.length : 0;
  while (at < bytes.length) {
    const found = batchAt(bytes, at);
    if (found.kind === "batch" && (last === null || found.number > last)) {
      const isMissing = last !== null && found.number > last + 1 && read.leftOut.at(-1)?.to !== at;
      if (isMissing) read.leftOut.push({ file, from: at, to: at, what: missing(last ?? 0, found.number) });
      read.batches.push({ number: found.number, start: at, end: found.next });
      last = found.number;
      at = found.next;
    } else {
      const to = (found.kind === "damage" ? found.next : null) ?? nextBatch(bytes, at, last);
      read.leftOut.push({ file, from: at, to, what: whatOf(found) });
      at = to;
    }
  }
  return read;
}

const missing = (last: number, next: number) =>
  next - last === 2 ? `batch ${last + 1} is not there` : `batches ${last + 1} to ${next - 1} are not there`;

const whatOf = (found: BatchAt): string =>
  found.kind === "damage"
    ? found.what
    : found.kind === "cut"
      ? "it ends within a batch"
      : "a batch out of its order";

/** Where the next one is that can be read, and is newer; else the end. */
function nextBatch(bytes: Buffer, from: number, last: number | null): number {
  for (let at = from + 1; at < bytes.length; at++) {
    at = bytes.indexOf(MAGIC, at);
    if (at === -1) break;
    const found = batchAt(bytes, at);
    if (found.kind === "batch" && found.number > (last ?? -1)) return at;
  }
  return bytes.length;
}

/** What the death of a broker leaves at the end of its last file is no damage. */
function isCutOnly({ bytes, leftOut }: ReadFile): boolean {
  const [first] = leftOut;
  return leftOut.length === 1 && first?.to === bytes.length && batchAt(bytes, first.from).kind === "cut";
}

/** @param first the number of its first batch */
async function writeAnew(folder: string, { file, bytes, batches }: ReadFile, first: number): Promise<void> {
  await keepAside(file);
  const sealed = batches.map(({ start, end }, i) => {
    const batch = Buffer.from(bytes.subarray(start, end));
    seal(batch, first + i);
    return batch;
  });
  const handle = await open(`${file}.new`, "w", OWNER_ONLY);
  try {
    await handle.writeFile(Buffer.concat([FILE_HEADER, ...sealed]));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${file}.new`, file);
  await syncFolder(folder);
}

/** Under a name that no earlier one has. */
async function keepAside(file: string): Promise<void> {
  for (let attempt = 1; ; attempt++)
    try {
      return await copyFile(file, asideName(file, attempt), constants.COPYFILE_EXCL);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
}

const asideName = (file: string, attempt: number) =>
  path.join(path.dirname(file), `damaged-${attempt}-${path.basename(file)}`);
