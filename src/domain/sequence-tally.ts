import type { Delivery, ReceivedSummary } from "../events/events.js";

/** Topics come from anyone: past so many machines, or with so long a name, none is told apart from others. */
export const MAX_MACHINES = 20_000;
/** UTF-16 units. */
const LONGEST_NAME = 256;
/** Of one machine, in which what comes again or late is still known. Anyone may begin as many as he likes. */
const MOST_RUNS = 16;
/** Of one run. What comes late for an older one counts as doubled, and stays missing. */
const MOST_GAPS = 1000;
/** Of all machines together, 60 bytes or so each. */
const MOST_GAPS_IN_ALL = 100_000;

/** Whether one more machine, of that name, is to be remembered beside these. */
export const hasRoomFor = (machines: ReadonlyMap<unknown, unknown>, name: string | null): boolean =>
  machines.size < MAX_MACHINES && (name?.length ?? 0) <= LONGEST_NAME;

/** For the gaps that are remembered. */
export class GapBudget {
  #left = MOST_GAPS_IN_ALL;

  take(): boolean {
    if (this.#left === 0) return false;
    this.#left -= 1;
    return true;
  }

  giveBack(gaps: number): void {
    this.#left += gaps;
  }
}

/** What the tally needs of a message event. */
export interface TallyResult {
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
export class SequenceTally {
  /** Messages of machines that there was no room for. */
  untrackedMessages = 0;
  readonly #machines = new Map<string | null, MachineTally>();
  readonly #room = new GapBudget();

  /**
   * Returns true when this message shows, for the first time, that two runs of its machine are interleaved.
   * @param held it is not acknowledged
   */
  count(message: TallyResult, held = false): boolean {
    const known = this.#machines.get(message.machine);
    if (known) return known.count(message, held);
    if (!hasRoomFor(this.#machines, message.machine)) {
      this.untrackedMessages += 1;
      return false;
    }
    const machine = new MachineTally(this.#room);
    this.#machines.set(message.machine, machine);
    return machine.count(message, held);
  }

  summary(): ReceivedSummary[] {
    return [...this.#machines].map(([machine, tally]) => ({ machine, ...tally.summary() }));
  }
}

/** What one machine sent, and what is missing of it. */
export class MachineTally {
  readonly #counts = { received: 0, live: 0, retained: 0, queued: 0, redelivered: 0, notAcknowledged: 0 };
  readonly #sequence: SequenceCounts = { duplicate: 0, missing: 0, outOfOrder: 0 };
  readonly #recentRuns = new Map<string, Sequence>();
  #runs = 0;
  #latestRun: string | null = null;
  #interleaved = false;
  #firstSeq: number | null = null;
  #lastSeq: number | null = null;

  constructor(private readonly room: GapBudget) {}

  get missing(): number {
    return this.#sequence.missing;
  }

  get duplicate(): number {
    return this.#sequence.duplicate;
  }

  count({ delivery, run, seq }: Omit<TallyResult, "machine">, held = false): boolean {
    this.#counts.received += 1;
    this.#counts[delivery] += 1;
    if (held) this.#counts.notAcknowledged += 1;
    if (run === null || seq === null || delivery === "retained") return false;
    this.#firstSeq ??= seq;
    this.#lastSeq = seq;
    const sequence = this.#recentRuns.get(run);
    // A redelivery may well belong to an earlier run; a new message that does means two publishers under one name.
    const interleaves = delivery !== "redelivered" && sequence !== undefined && run !== this.#latestRun;
    if (delivery !== "redelivered") this.#latestRun = run;
    if (sequence) sequence.add(seq);
    else this.#newRun(run, seq);
    const firstTime = interleaves && !this.#interleaved;
    this.#interleaved ||= interleaves;
    return firstTime;
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

  #newRun(run: string, seq: number): void {
    const [oldest] = this.#recentRuns;
    if (oldest && this.#recentRuns.size >= MOST_RUNS) {
      const [name, sequence] = oldest;
      this.#recentRuns.delete(name);
      sequence.forget();
    }
    this.#recentRuns.set(run, new Sequence(seq, this.#sequence, this.room));
    this.#runs += 1;
  }
}

interface SequenceCounts {
  duplicate: number;
  missing: number;
  outOfOrder: number;
}

/** The numbers seen of one run, as the span between the first and the last, and the gaps in it. */
class Sequence {
  #lowest: number;
  #highest: number;
  /** Not seen yet, both ends included; of many the latest. */
  readonly #gaps: { from: number; to: number }[] = [];

  constructor(
    first: number,
    private readonly counts: SequenceCounts,
    private readonly room: GapBudget,
  ) {
    this.#lowest = first;
    this.#highest = first;
  }

  add(seq: number): void {
    if (seq > this.#highest) {
      this.#miss(this.#highest + 1, seq - 1);
      this.#highest = seq;
    } else if (seq < this.#lowest) {
      this.#miss(seq + 1, this.#lowest - 1);
      this.#lowest = seq;
      this.counts.outOfOrder += 1;
    } else if (this.#fill(seq)) this.counts.outOfOrder += 1;
    else this.counts.duplicate += 1;
  }

  #miss(from: number, to: number): void {
    this.counts.missing += to - from + 1;
    this.#remember(from, to);
  }

  #remember(from: number, to: number): void {
    if (from > to) return;
    if (this.#gaps.length === MOST_GAPS) {
      this.#gaps.shift();
      this.room.giveBack(1);
    }
    if (this.room.take()) this.#gaps.push({ from, to });
  }

  /** What is missing stays so. */
  forget(): void {
    this.room.giveBack(this.#gaps.length);
  }

  #fill(seq: number): boolean {
    const at = this.#gaps.findIndex(({ from, to }) => from <= seq && seq <= to);
    const gap = this.#gaps[at];
    if (!gap) return false;
    this.#gaps.splice(at, 1);
    this.room.giveBack(1);
    this.#remember(gap.from, seq - 1);
    this.#remember(seq + 1, gap.to);
    this.counts.missing -= 1;
    return true;
  }
}
