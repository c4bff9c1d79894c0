import { open, readdir, truncate } from "node:fs/promises";
import path from "node:path";
import { UserError } from "../util/errors.js";
import { batchAt } from "./batch.js";
import { FieldReader } from "./field-codec.js";

/** The version of the layout of files, batches and records. */
const FORMAT = 1;
const titleOf = (format: number | string) => `mqtt-lwt-lab journal, format ${format}\n`;

/** The first bytes of each file of a journal. */
export const FILE_HEADER = Buffer.from(titleOf(FORMAT));

/** Only the owner may read the messages, even in a folder that others may list. */
export const OWNER_ONLY = 0o600;
/** The permissions of the group and of all others. */
const OTHERS_PERMISSIONS = 0o077;

const NAME = /^journal-(\d{8,})$/;
const nameOf = (number: number) => `journal-${String(number).padStart(8, "0")}`;

export const segmentFile = (folder: string, number: number): string => path.join(folder, nameOf(number));

/** Returns the numbers of a journal's files, ascending. */
export async function segmentNumbers(folder: string): Promise<number[]> {
  const found = (await readdir(folder)).flatMap(name => NAME.exec(name)?.[1] ?? []);
  return found.map(Number).toSorted((a, b) => a - b);
}

/** Called with the records of each batch. Throws a RangeError if they are invalid. */
export type ReadRecords = (records: FieldReader) => void | Promise<void>;

/** A file of a journal after it was read. */
export interface Segment {
  number: number;
  /** The offset behind the last complete batch. */
  end: number;
  /** Bytes behind it, from a write that a crash interrupted. */
  lost: number;
  /** Null if the file has no batch. */
  lastBatch: number | null;
}

/**
 * Reads a file's batches in order.
 * @param previous the number of the batch before the first, or null if it is unknown
 * @param option the command-line option that names the folder
 * @throws UserError `store-damaged` with the offset, if the file does not have the content that was written
 */
export async function readSegment(
  folder: string,
  number: number,
  { isLast, previous, option }: { isLast: boolean; previous: number | null; option: string },
  read: ReadRecords,
): Promise<Segment> {
  const bytes = await bytesOf(segmentFile(folder, number));
  const damaged = (at: number, what: string) =>
    storeDamaged(path.join(folder, nameOf(number)), at, what, option);
  const fault = headerFault(bytes, folder, option);
  if (fault instanceof UserError) throw fault;
  if (fault && !(isLast && fault === "cut")) throw damaged(0, "it does not begin as a journal does");
  let at = fault ? 0 : FILE_HEADER.length;
  let lastBatch = previous;
  for (let found = fault ? END : batchAt(bytes, at); found.kind !== "end"; found = batchAt(bytes, at)) {
    if (found.kind === "damage") throw damaged(at, found.what);
    if (found.kind === "cut") {
      if (!isLast) throw damaged(at, "it ends there, and another file follows");
      break;
    }
    if (lastBatch !== null && found.number !== lastBatch + 1)
      throw damaged(at, `after batch ${lastBatch} comes batch ${found.number}`);
    try {
      await read(new FieldReader(bytes, found.start, found.end));
    } catch (error) {
      throw error instanceof RangeError ? damaged(at, error.message) : error;
    }
    lastBatch = found.number;
    at = found.next;
  }
  return { number, end: at, lost: bytes.length - at, lastBatch };
}

const END = { kind: "end" } as const;

/** Reads a file in one piece. Node's readFile reads 16 pieces, and clears the memory first. */
async function bytesOf(file: string): Promise<Buffer> {
  const handle = await open(file);
  try {
    const { size, mode } = await handle.stat();
    if (mode & OTHERS_PERMISSIONS) await handle.chmod(OWNER_ONLY).catch(() => {}); // an earlier version created it so
    const bytes = Buffer.allocUnsafe(size);
    let read = 0;
    for (let more = 1; more > 0 && read < bytes.length; read += more)
      more = (await handle.read(bytes, read, bytes.length - read, read)).bytesRead;
    return bytes.subarray(0, read);
  } finally {
    await handle.close();
  }
}

/** @throws UserError `store-format` */
export function refuseOtherFormat(bytes: Buffer, folder: string, option: string): void {
  const fault = headerFault(bytes, folder, option);
  if (fault instanceof UserError) throw fault;
}

/** Returns "cut" if the header is incomplete or zeros. */
function headerFault(bytes: Buffer, folder: string, option: string): "cut" | "damage" | UserError | null {
  const start = bytes.subarray(0, FILE_HEADER.length);
  if (start.equals(FILE_HEADER)) return null;
  const other = new RegExp(`^${titleOf("(\\d+)")}`).exec(bytes.toString("latin1", 0, 64))?.[1];
  if (other !== undefined)
    return new UserError(
      "store-format",
      `${folder} has journal format ${other}, and this version reads format ${FORMAT}.`,
      `Use the version that wrote it, or another folder: ${option} ANOTHER`,
    );
  const isCut = bytes.every(byte => byte === 0) || FILE_HEADER.subarray(0, bytes.length).equals(bytes);
  return isCut ? "cut" : "damage";
}

const storeDamaged = (file: string, at: number, what: string, option: string) =>
  new UserError(
    "store-damaged",
    `${file} is damaged at byte ${at}: ${what}. Nothing in the folder was changed.`,
    `Restore a copy of the folder, or use an empty one: ${option} ANOTHER. The part before that byte can still be read.`,
  );

/** Removes the rest of a write that a crash interrupted. */
export async function truncateTail(folder: string, { number, end }: Segment): Promise<void> {
  await truncate(segmentFile(folder, number), end);
}

/** Makes new entries of a folder durable. Does nothing on systems without it (Windows). */
export async function syncDir(folder: string): Promise<void> {
  const handle = await open(folder).catch(() => null);
  await handle?.sync().catch(() => {});
  await handle?.close();
}
