import type { Delivery, ReceivedSummary } from "./events.js";

/** What the tally needs of a message event. */
export interface Counted {
  delivery: Delivery;
  machine: string | null;
  run: string | null;
  seq: number | null;
}

/**
 * Counts what one process received, a machine at a time: how it came, and by `run` and `seq` what is missing,
 * doubled or out of order. Retained copies are counted as received, but tell nothing about the sequence: they are
 * older than the subscription, or repeat what has just come.
 */
export class Tally {
  readonly #machines = new Map<string | null, MachineTally>();

  /**
   * Returns true when this message shows, for the first time, that two runs of its machine are interleaved.
   * @param held it is not acknowledged
   */
  count(message: Counted, held = false): boolean {
    const machine = this.#machines.get(message.machine) ?? new MachineTally();
    this.#machines.set(message.machine, machine);
    return machine.count(message, held);
  }

  summary(): ReceivedSummary[] {
    return [...this.#machines].map(([machine, tally]) => ({ machine, ...tally.summary() }));
  }
}

class MachineTally {
  readonly #counts = { received: 0, live: 0, retained: 0, queued: 0, redelivered: 0, notAcknowledged: 0 };
  readonly #runs = new Map<string, Sequence>();
  #latestRun: string | null = null;
  #interleaved = false;
  #firstSeq: number | null = null;
  #lastSeq: number | null = null;

  count({ delivery, run, seq }: Counted, held: boolean): boolean {
    this.#counts.received += 1;
    this.#counts[delivery] += 1;
    if (held) this.#counts.notAcknowledged += 1;
    if (run === null || seq === null || delivery === "retained") return false;
    this.#firstSeq ??= seq;
    this.#lastSeq = seq;
    // A redelivery may well belong to an earlier run; a new message that does means two publishers under one name.
    const interleaves = delivery !== "redelivered" && this.#runs.has(run) && run !== this.#latestRun;
    if (delivery !== "redelivered") this.#latestRun = run;
    const sequence = this.#runs.get(run) ?? new Sequence(seq);
    if (this.#runs.has(run)) sequence.add(seq);
    this.#runs.set(run, sequence);
    const firstTime = interleaves && !this.#interleaved;
    this.#interleaved ||= interleaves;
    return firstTime;
  }

  summary(): Omit<ReceivedSummary, "machine"> {
    const sequences = [...this.#runs.values()];
    return {
      ...this.#counts,
      duplicate: sum(sequences.map(({ duplicate }) => duplicate)),
      missing: sum(sequences.map(({ missing }) => missing)),
      outOfOrder: sum(sequences.map(({ outOfOrder }) => outOfOrder)),
      runs: sequences.length,
      firstSeq: this.#firstSeq,
      lastSeq: this.#lastSeq,
    };
  }
}

/** The numbers seen of one run, as the span between the first and the last, and the gaps in it. */
class Sequence {
  duplicate = 0;
  outOfOrder = 0;
  #lowest: number;
  #highest: number;
  /** Not seen yet, both ends included. */
  #gaps: { from: number; to: number }[] = [];

  constructor(first: number) {
    this.#lowest = first;
    this.#highest = first;
  }

  get missing(): number {
    return sum(this.#gaps.map(({ from, to }) => to - from + 1));
  }

  add(seq: number): void {
    if (seq > this.#highest) {
      this.#skip(this.#highest + 1, seq - 1);
      this.#highest = seq;
    } else if (seq < this.#lowest) {
      this.#skip(seq + 1, this.#lowest - 1);
      this.#lowest = seq;
      this.outOfOrder += 1;
    } else if (this.#fill(seq)) this.outOfOrder += 1;
    else this.duplicate += 1;
  }

  #skip(from: number, to: number): void {
    if (from <= to) this.#gaps.push({ from, to });
  }

  #fill(seq: number): boolean {
    const at = this.#gaps.findIndex(({ from, to }) => from <= seq && seq <= to);
    const gap = this.#gaps[at];
    if (!gap) return false;
    this.#gaps.splice(at, 1);
    this.#skip(gap.from, seq - 1);
    this.#skip(seq + 1, gap.to);
    return true;
  }
}

const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0);
