import type { Random } from "../chaos/random.js";
import { bytes, type Draft, encode, pick } from "./packets.js";

type Whole = (drafts: Draft[], random: Random) => void;
type Raw = (sent: Buffer, random: Random) => Buffer;

const place = (all: { length: number }, random: Random) => random.between(0, Math.max(0, all.length - 1));

function swap(all: unknown[], random: Random): void {
  const [one, other] = [place(all, random), place(all, random)];
  [all[one], all[other]] = [all[other], all[one]];
}

function repeat(all: unknown[], random: Random): void {
  const at = place(all, random);
  all.splice(at, 0, all[at]);
}

const within =
  (change: (fields: Buffer[], random: Random) => void): Whole =>
  (drafts, random) => {
    const { fields } = pick(random, drafts);
    if (fields.length > 0) change(fields, random);
  };

/** On packets that are still in parts. */
const WHOLE: Whole[] = [
  swap,
  repeat,
  (drafts, random) => void (drafts.length > 1 && drafts.splice(place(drafts, random), 1)),
  within(swap),
  within(repeat),
  within((fields, random) => void fields.splice(place(fields, random), 1)),
  within((fields, random) => void (fields[place(fields, random)] = bytes(random, random.between(0, 12)))),
  (drafts, random) => void (pick(random, drafts).first = random.between(0, 255)),
  (drafts, random) => void (pick(random, drafts).first ^= 1 << random.between(0, 3)),
];

/** Remaining lengths: none, one byte, the longest of each size, and one that does not end. */
const LENGTHS = ["00", "01", "7f", "ff7f", "ffff7f", "ffffff7f", "80808000", "ffffffffff"];

const overwrite = (sent: Buffer, at: number, what: Buffer) => {
  what.copy(sent, Math.min(at, sent.length));
  return sent;
};

/** On the bytes of one packet. */
const RAW: Raw[] = [
  (sent, random) => {
    for (let left = random.between(1, 4); left > 0; left--) {
      const at = place(sent, random);
      sent[at] = (sent[at] ?? 0) ^ (1 << random.between(0, 7));
    }
    return sent;
  },
  (sent, random) => overwrite(sent, 1, Buffer.from(pick(random, LENGTHS), "hex")),
  (sent, random) => overwrite(sent, 1, Buffer.of(((sent[1] ?? 0) + pick(random, [-2, -1, 1, 2])) & 0xff)),
  // Of a field, if it happens to be where one is.
  (sent, random) =>
    overwrite(
      sent,
      place(sent, random),
      pick(random, [Buffer.of(0, 0), Buffer.of(0xff, 0xff), bytes(random, 2)]),
    ),
  (sent, random) => sent.subarray(0, place(sent, random)),
  (sent, random) => {
    const at = place(sent, random);
    return Buffer.concat([sent.subarray(0, at), bytes(random, random.between(1, 9)), sent.subarray(at)]);
  },
];

/** One or more things go wrong with what would have been right. @returns the packets' bytes */
export function mutated(drafts: Draft[], random: Random): Buffer[] {
  const whole = random.chance(0.5);
  if (whole) for (let left = random.between(1, 2); left > 0; left--) pick(random, WHOLE)(drafts, random);
  const sent = drafts.map(encode);
  if (whole && random.chance(0.7)) return sent;
  for (let left = random.between(1, 2); left > 0; left--) {
    const at = place(sent, random);
    sent[at] = pick(random, RAW)(sent[at] ?? Buffer.alloc(0), random);
  }
  return sent;
}
