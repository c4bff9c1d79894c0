import { constants } from "node:fs";
import { copyFile, open, readFile, rename } from "node:fs/promises";
import path from "node:path";
import { batchAt, type FoundBatch, MAGIC, sealBatch } from "./batch.js";
import {
  FILE_HEADER,
  OWNER_ONLY,
  refuseOtherFormat,
  segmentFile,
  segmentNumbers,
  syncDir,
} from "./segments.js";

/** A part of a journal that cannot be read. */
export interface MissingBatches {
  file: string;
  /** The offsets of its first byte and behind its last one. Equal if the batches are not in the file. */
  from: number;
  to: number;
  what: string;
}

interface IntactBatch {
  number: number;
  start: number;
  end: number;
}

interface ReadFile {
  file: string;
  bytes: Buffer;
  batches: IntactBatch[];
  leftOut: MissingBatches[];
}

/**
 * Rewrites a damaged journal with every batch that can be read, in order. Copies each file before it changes. Files
 * behind the last damage stay unchanged. If the process is killed meanwhile, the repair can start again.
 * @param option the command-line option that names the folder
 * @returns the parts that were left out, none if the journal is intact
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
  if (newest && hasOnlyTornTail(newest)) newest.leftOut = [];
  const leftOut = files.flatMap(each => each.leftOut);
  if (leftOut.length === 0) return [];
  let next = last ?? 0;
  // From the newest on, so that the batches behind the damage keep their numbers.
  for (const each of files.toReversed()) {
    const first = next - each.batches.length + 1;
    const isIntact = each.leftOut.length === 0 && each.batches.every(({ number }, i) => number === first + i);
    if (!isIntact) await rewrite(folder, each, first);
    next = first - 1;
  }
  return leftOut;
}

/** @param previous the number of the batch before the file's first one */
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
  next - last === 2 ? `batch ${last + 1} is missing` : `batches ${last + 1} to ${next - 1} are missing`;

const whatOf = (found: FoundBatch): string =>
  found.kind === "damage"
    ? found.what
    : found.kind === "cut"
      ? "it ends within a batch"
      : "a batch out of its order";

/** Returns the offset of the next batch that can be read and is newer, or the end. */
function nextBatch(bytes: Buffer, from: number, last: number | null): number {
  for (let at = from + 1; at < bytes.length; at++) {
    at = bytes.indexOf(MAGIC, at);
    if (at === -1) break;
    const found = batchAt(bytes, at);
    if (found.kind === "batch" && found.number > (last ?? -1)) return at;
  }
  return bytes.length;
}

/** Whether the only fault is the torn tail that a crash leaves, which is no damage. */
function hasOnlyTornTail({ bytes, leftOut }: ReadFile): boolean {
  const [first] = leftOut;
  return leftOut.length === 1 && first?.to === bytes.length && batchAt(bytes, first.from).kind === "cut";
}

/** @param first the number of its first batch */
async function rewrite(folder: string, { file, bytes, batches }: ReadFile, first: number): Promise<void> {
  await copyAside(file);
  const sealed = batches.map(({ start, end }, i) => {
    const batch = Buffer.from(bytes.subarray(start, end));
    sealBatch(batch, first + i);
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
  await syncDir(folder);
}

/** Copies a file under a name that is not in use. */
async function copyAside(file: string): Promise<void> {
  for (let attempt = 1; ; attempt++)
    try {
      return await copyFile(file, copyName(file, attempt), constants.COPYFILE_EXCL);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
}

const copyName = (file: string, attempt: number) =>
  path.join(path.dirname(file), `damaged-${attempt}-${path.basename(file)}`);
