import type { Delivery, ReceivedSummary } from "../events/events.js";

/** Topics are untrusted: machines past this number, or with a longer name, are counted together. */
export const MAX_MACHINES = 20_000;
/** UTF-16 units. */
const MAX_NAME_LENGTH = 256;
/** Runs of a machine in which duplicates and late messages are recognized. Anyone can start more. */
const MAX_RUNS = 16;
/** A late message for an older gap counts as a duplicate, and stays missing. */
const MAX_GAPS_OF_RUN = 1000;
/** Of all machines together, about 60 bytes each. */
const MAX_GAPS = 100_000;

/** Whether there is room for one more machine of that name. */
export const mayTrack = (machines: ReadonlyMap<unknown, unknown>, name: string | null): boolean =>
  machines.size < MAX_MACHINES && (name?.length ?? 0) <= MAX_NAME_LENGTH;

export class GapBudget {
  #left = MAX_GAPS;

  take(): boolean {
    if (this.#left === 0) return false;
    this.#left -= 1;
    return true;
  }

  release(gaps: number): void {
    this.#left += gaps;
  }
}

export interface TalliedMessage {
  delivery: Delivery;
  machine: string | null;
  run: string | null;
  seq: number | null;
}

/**
 * Counts the messages of each machine by delivery, and by `run` and `seq` the missing, duplicate and out-of-order ones.
 * Retained copies do not count in the sequence: they are older than the subscription, or repeat a live message.
 */
export class SequenceTally {
  /** Messages of machines past the limit. */
  untrackedMessages = 0;
  readonly #machines = new Map<string | null, MachineTally>();
  readonly #gapBudget = new GapBudget();

  /** @returns true if this message is the first to show that two runs of its machine are interleaved */
  count(message: TalliedMessage, isUnacknowledged = false): boolean {
    const known = this.#machines.get(message.machine);
    if (known) return known.count(message, isUnacknowledged);
    if (!mayTrack(this.#machines, message.machine)) {
      this.untrackedMessages += 1;
      return false;
    }
    const machine = new MachineTally(this.#gapBudget);
    this.#machines.set(message.machine, machine);
    return machine.count(message, isUnacknowledged);
  }

  summary(): ReceivedSummary[] {
    return [...this.#machines].map(([machine, tally]) => ({ machine, ...tally.summary() }));
  }
}

export class MachineTally {
  readonly #counts = { received: 0, live: 0, retained: 0, queued: 0, redelivered: 0, notAcknowledged: 0 };
  readonly #sequence: SequenceCounts = { duplicate: 0, missing: 0, outOfOrder: 0 };
  readonly #sequences = new Map<string, Sequence>();
  #runs = 0;
  #latestRun: string | null = null;
  #interleaved = false;
  #firstSeq: number | null = null;
  #lastSeq: number | null = null;

  constructor(private readonly gapBudget: GapBudget) {}

  get missing(): number {
    return this.#sequence.missing;
  }

  get duplicate(): number {
    return this.#sequence.duplicate;
  }

  count({ delivery, run, seq }: Omit<TalliedMessage, "machine">, isUnacknowledged = false): boolean {
    this.#counts.received += 1;
    this.#counts[delivery] += 1;
    if (isUnacknowledged) this.#counts.notAcknowledged += 1;
    if (run === null || seq === null || delivery === "retained") return false;
    this.#firstSeq ??= seq;
    this.#lastSeq = seq;
    const sequence = this.#sequences.get(run);
    // A redelivery may belong to an earlier run. A new message of an earlier run has a second publisher.
    const interleaves = delivery !== "redelivered" && sequence !== undefined && run !== this.#latestRun;
    if (delivery !== "redelivered") this.#latestRun = run;
    if (sequence) sequence.add(seq);
    else this.#addRun(run, seq);
    const isFirst = interleaves && !this.#interleaved;
    this.#interleaved ||= interleaves;
    return isFirst;
  }

  summary(): Omit<ReceivedSummary, "machine"> {
    return {
      ...this.#counts,
      ...this.#sequence,
      runs: this.#runs,
      firstSeq: this.#firstSeq,
      lastSeq: this.#lastSeq,
    };
  }

  #addRun(run: string, seq: number): void {
    const [oldest] = this.#sequences;
    if (oldest && this.#sequences.size >= MAX_RUNS) {
      const [name, sequence] = oldest;
      this.#sequences.delete(name);
      sequence.releaseGaps();
    }
    this.#sequences.set(run, new Sequence(seq, this.#sequence, this.gapBudget));
    this.#runs += 1;
  }
}

interface SequenceCounts {
  duplicate: number;
  missing: number;
  outOfOrder: number;
}

/** The sequence numbers of one run: the span between the lowest and the highest, and the gaps in it. */
class Sequence {
  #lowest: number;
  #highest: number;
  /** The latest ones, both ends included. */
  readonly #gaps: { from: number; to: number }[] = [];

  constructor(
    first: number,
    private readonly counts: SequenceCounts,
    private readonly gapBudget: GapBudget,
  ) {
    this.#lowest = first;
    this.#highest = first;
  }

  add(seq: number): void {
    if (seq > this.#highest) {
      this.#addMissing(this.#highest + 1, seq - 1);
      this.#highest = seq;
    } else if (seq < this.#lowest) {
      this.#addMissing(seq + 1, this.#lowest - 1);
      this.#lowest = seq;
      this.counts.outOfOrder += 1;
    } else if (this.#fillGap(seq)) this.counts.outOfOrder += 1;
    else this.counts.duplicate += 1;
  }

  #addMissing(from: number, to: number): void {
    this.counts.missing += to - from + 1;
    this.#addGap(from, to);
  }

  #addGap(from: number, to: number): void {
    if (from > to) return;
    if (this.#gaps.length === MAX_GAPS_OF_RUN) {
      this.#gaps.shift();
      this.gapBudget.release(1);
    }
    if (this.gapBudget.take()) this.#gaps.push({ from, to });
  }

  /** The missing numbers stay counted. */
  releaseGaps(): void {
    this.gapBudget.release(this.#gaps.length);
  }

  #fillGap(seq: number): boolean {
    const at = this.#gaps.findIndex(({ from, to }) => from <= seq && seq <= to);
    const gap = this.#gaps[at];
    if (!gap) return false;
    this.#gaps.splice(at, 1);
    this.gapBudget.release(1);
    this.#addGap(gap.from, seq - 1);
    this.#addGap(seq + 1, gap.to);
    this.counts.missing -= 1;
    return true;
  }
}
