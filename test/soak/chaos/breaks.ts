import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { batchAt, HEADER_BYTES } from "../../../src/storage/batch.js";
import { FILE_HEADER, segmentFile, segmentNumbers } from "../../../src/storage/segments.js";
import type { ChaosBroker } from "./brokers.js";
import type { Random } from "./random.js";
import { isKept, type Verdict } from "./verdict.js";
import { binDir } from "../../support/paths.js";

/** A store that is broken on purpose. */
export interface Break {
  about: string;
  /** @param folder for what is needed */
  make(folder: string, random: Random): Broken;
}

interface Broken {
  /** The folder of its lwt-broker.cjs. */
  bin: string;
  /** Done to the broker's folder whenever it is dead. */
  tamper: (broker: ChaosBroker) => Promise<void>;
  /** How that it is broken was noticed; null where it was not. */
  noticed: (verdict: Verdict) => string | null;
}

export const intact: Break = {
  about: "nothing",
  make: () => ({ bin: binDir, tamper: async () => {}, noticed: () => null }),
};

export const breaks: Record<string, Break> = {
  "acknowledge-early": bug("who waits is told 30 ms before the write", "lost", [
    [
      "if (accepted.hasRecords) await this.#commit(accepted);",
      `accepted.resolve();
      await new Promise(resolve => globalThis.setTimeout(resolve, 30));
      if (accepted.hasRecords) await this.#commit(accepted);
      return;`,
    ],
  ]),
  "reorder-records": bug("a batch's records are written, and read, the other way round", "reordered", [
    [
      "this.#fields.bytes.copy(batch);",
      `let at = HEADER_BYTES;
    for (const { start, end } of this.#parts.toReversed())
      at += this.#fields.bytes.copy(batch, at, start, end);`,
    ],
    ["if (identity < last) return", "if (false) return"],
  ]),
  "flip-payload": flip("a bit of the records", (random, length) => random.between(HEADER_BYTES, length - 1)),
  "flip-length": flip("a bit of a batch's length", random => random.between(4, 7)),
  "flip-header": flip("another bit of a batch's header", random => random.between(8, HEADER_BYTES - 1)),
};

/** @param replacements in the built broker, what is there and what takes its place */
function bug(
  about: string,
  tells: "lost" | "reordered",
  replacements: [there: string, broken: string][],
): Break {
  return {
    about,
    make: folder => ({
      bin: brokenBin(folder, replacements),
      tamper: async () => {},
      noticed: verdict => (verdict[tells] > 0 ? `${verdict[tells]} ${tells}` : null),
    }),
  };
}

/** @param at where in a batch, from its first byte on; length is of the whole batch */
function flip(about: string, at: (random: Random, length: number) => number): Break {
  return {
    about,
    make: (_, random) => {
      const flipping = new Flipping(at, random);
      return {
        bin: binDir,
        tamper: broker => flipping.tamper(broker),
        noticed: verdict => {
          const { flipped, noticed } = flipping;
          const isNoticed = flipped > 0 && noticed === flipped && isKept(verdict);
          return isNoticed ? `${noticed} of ${flipped} refused, with file and byte` : null;
        },
      };
    },
  };
}

/** The bundle of the store on disk. */
const STORE = "journaled-store.cjs";

/** A copy of the built broker with that bug. @returns its bin folder */
function brokenBin(folder: string, replacements: [there: string, broken: string][]): string {
  const built = path.join(binDir, "..", "dist");
  cpSync(binDir, path.join(folder, "bin"), { recursive: true });
  mkdirSync(path.join(folder, "dist"));
  for (const bundle of ["lwt-broker.cjs", "parse.cjs", "broker.cjs"])
    cpSync(path.join(built, bundle), path.join(folder, "dist", bundle));
  let code = readFileSync(path.join(built, STORE), "utf8");
  for (const [there, broken] of replacements) {
    if (code.split(there).length !== 2) throw new Error(`${STORE} must hold this once: ${there}`);
    code = code.replace(there, () => broken);
  }
  writeFileSync(path.join(folder, "dist", STORE), code);
  return path.join(folder, "bin");
}

/** How often a byte was flipped in the journal of a dead broker, and how often the next one named it and refused. */
class Flipping {
  flipped = 0;
  noticed = 0;
  readonly #at: (random: Random, length: number) => number;
  readonly #random: Random;

  constructor(at: (random: Random, length: number) => number, random: Random) {
    this.#at = at;
    this.#random = random;
  }

  /** Flips one, looks for the refusal, and flips it back. */
  async tamper(broker: ChaosBroker): Promise<void> {
    const found = await this.#batch(broker.folder);
    if (!found) return;
    const { file, bytes, start, length } = found;
    const at = start + this.#at(this.#random, length);
    const flipped = Buffer.from(bytes);
    flipped[at] = (bytes[at] ?? 0) ^ (1 << this.#random.between(0, 7));
    writeFileSync(file, flipped);
    const { code, said } = await broker.refusal();
    await broker.kill();
    this.flipped += 1;
    if (code === 1 && said.includes(`${file} is damaged at byte ${start}:`)) this.noticed += 1;
    writeFileSync(file, bytes);
  }

  /** Any one of a file's. */
  async #batch(folder: string) {
    const numbers = await segmentNumbers(folder);
    const number = numbers[this.#random.between(0, numbers.length - 1)];
    if (number === undefined) return null;
    const file = segmentFile(folder, number);
    const bytes = readFileSync(file);
    const batches: { start: number; length: number }[] = [];
    for (let at = FILE_HEADER.length; ; ) {
      const batch = batchAt(bytes, at);
      if (batch.kind !== "batch") break;
      batches.push({ start: at, length: batch.next - at });
      at = batch.next;
    }
    const batch = batches[this.#random.between(0, batches.length - 1)];
    return batch ? { file, bytes, ...batch } : null;
  }
}
