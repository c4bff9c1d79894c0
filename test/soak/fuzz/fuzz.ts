import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { table } from "../chaos/table.js";
import { attack, burst, Tally } from "./attack.js";
import { FuzzBroker, type Holdings } from "./broker.js";
import { Pair } from "./pair.js";
import { settle } from "./settling.js";
import { binDir } from "../../support/paths.js";

/** Connections of a round: so many, one after the other, at so many places at once; then so many together. */
const CONNECTIONS = 80;
const PLACES = 20;
const BURST = 100;

/**
 * Bytes that the broker may have more at the end than after its first round, however many rounds there were: compiled
 * code and what the compiler learns come to 1 MiB in ten rounds, and to 2 in hundreds.
 */
const HEAP_GROWTH = 4 * 2 ** 20;
const RSS_GROWTH = 128 * 2 ** 20;

/** Milliseconds for the last sockets to be gone, and between looks. */
const SETTLING = 30_000;
const LOOK = 400;

/** How the broker is started. */
export const SETUPS = {
  memory: () => [],
  limits: () => ["--max-packet", "1024", "--max-connections", "60", "--max-queued", "20"],
  disk: (folder: string) => ["--data", path.join(folder, "data"), "--sync", "write"],
} satisfies Record<string, (folder: string) => string[]>;

export type Setup = keyof typeof SETUPS;

export interface FuzzOptions {
  setup: Setup;
  seed: number;
  /** The first round: each has its own numbers, whatever was before it. */
  from?: number;
  rounds: number;
  /** After which no more rounds are begun. */
  seconds?: number;
  /** The folder of lwt-broker.cjs. */
  bin?: string;
}

/** @returns what came of it, and whether it is as it has to be */
export async function fuzz(options: FuzzOptions): Promise<{ report: string; isRight: boolean }> {
  const { setup, seed, bin = binDir } = options;
  const folder = mkdtempSync(path.join(tmpdir(), "lwt-fuzz-"));
  const broker = new FuzzBroker(bin, SETUPS[setup](folder), folder);
  const run = new Run(options, broker);
  try {
    await run.go();
  } catch (error) {
    run.problems.push((error as Error).message);
  } finally {
    broker.kill(); // with it every connection ends that is left
    await broker.ended;
    rmSync(folder, { recursive: true, force: true });
  }
  const problems = [...run.problems, ...broker.problems];
  const wrong = problems.map(problem => `wrong         ${problem}\n`).join("");
  const again = `again         npm run fuzz -- --setup ${setup} --seed ${seed} ${run.again}\n`;
  const isRight = problems.length === 0;
  return { report: run.report() + (isRight ? "" : wrong + again), isRight };
}

class Run {
  readonly problems: string[] = [];
  /** Options that repeat what went wrong. */
  again = "--rounds 1";
  readonly #options: FuzzOptions;
  readonly #broker: FuzzBroker;
  readonly #tally = new Tally();
  readonly #startedAt = performance.now();
  #rounds = 0;
  #pair: Pair | null = null;
  #before: Holdings | null = null;
  #after: Holdings | null = null;

  constructor(options: FuzzOptions, broker: FuzzBroker) {
    this.#options = options;
    this.#broker = broker;
  }

  /** @throws Error for what makes going on useless */
  async go(): Promise<void> {
    const { from = 1, rounds, seconds = Number.POSITIVE_INFINITY } = this.#options;
    const port = await this.#broker.listening;
    this.#pair = await Pair.connect(port);
    const { sockets } = await this.#broker.holdings();
    await this.#round(port, 0); // fills caches: memory is counted from here on
    this.#before = await this.#settled(sockets);
    for (let round = from; round < from + rounds && this.#seconds < seconds; round++) {
      this.again = `--from ${round} --rounds 1`;
      await this.#round(port, round);
      if (this.problems.length > 0) return;
      this.#rounds += 1;
    }
    this.again = `--from ${from} --rounds ${this.#rounds}`;
    this.#after = await this.#settled(sockets);
    this.#compare(this.#before, this.#after);
    const code = await this.#broker.stop();
    if (code !== "0") this.problems.push(`the broker ended with ${code}`);
    if (/^\s+at |Warning:/m.test(this.#broker.stderr))
      this.problems.push(`on its stderr: ${this.#broker.stderr}`);
  }

  report(): string {
    const { connections, intact, mutated, bytes, ends } = this.#tally;
    const [before, after] = [this.#before, this.#after];
    return table({
      broker: `lwt-broker ${SETUPS[this.#options.setup]("…").join(" ")}`,
      seed: this.#options.seed,
      rounds: this.#rounds,
      connections,
      packets: `${intact} intact, ${mutated} after mutations; ${bytes} bytes`,
      ended: counts(ends),
      "broker says": counts(this.#broker.ends),
      pair: `${this.#pair?.sent ?? 0} sent, ${this.#pair?.received ?? 0} received`,
      heap: before && after ? `${mebibytes(before.heap)} MiB, then ${mebibytes(after.heap)}` : "unknown",
      rss: before && after ? `${mebibytes(before.rss)} MiB, then ${mebibytes(after.rss)}` : "unknown",
      seconds: this.#seconds.toFixed(0),
    });
  }

  get #seconds(): number {
    return (performance.now() - this.#startedAt) / 1000;
  }

  async #round(port: number, round: number): Promise<void> {
    const { seed } = this.#options;
    const pair = this.#pair as Pair;
    pair.start();
    let next = 0;
    const place = async () => {
      while (next < CONNECTIONS) await attack(port, seed, `connection ${round}.${next++}`, this.#tally);
    };
    await Promise.all(Array.from({ length: PLACES }, place));
    await burst(port, BURST, seed, `burst ${round}`, this.#tally);
    await pair.pause();
    this.problems.push(...pair.problems);
    if (this.#broker.isOver) throw new Error(`the broker ended: ${this.#broker.stderr}`);
    this.problems.push(...(await settle(port)));
  }

  /**
   * A connection that has just ended may be there for a moment yet, and so may what a journal is tidied with.
   * @param sockets as many as there were before the first stranger came
   */
  async #settled(sockets: number): Promise<Holdings> {
    const deadline = performance.now() + SETTLING;
    for (;;) {
      const holdings = await this.#broker.holdings();
      const more = holdings.sockets - sockets;
      const mostHeap = (this.#before?.heap ?? Number.POSITIVE_INFINITY) + HEAP_GROWTH;
      if (more <= 0 && holdings.heap <= mostHeap) return holdings;
      if (performance.now() > deadline) {
        if (more > 0) this.problems.push(`the broker holds on to ${more} sockets of strangers`);
        return holdings;
      }
      await setTimeout(LOOK);
    }
  }

  #compare(before: Holdings, after: Holdings): void {
    const { sent, received } = this.#pair as Pair;
    if (received !== sent) this.problems.push(`the pair got ${received} of ${sent}`);
    for (const [what, most] of [
      ["heap", HEAP_GROWTH],
      ["rss", RSS_GROWTH],
    ] as const) {
      const growth = after[what] - before[what];
      if (growth > most) this.problems.push(`${what} has grown by ${mebibytes(growth)} MiB`);
    }
  }
}

const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1);

const counts = (all: Record<string, number>) =>
  Object.entries(all)
    .map(([what, count]) => `${count} ${what}`)
    .join(`\n${" ".repeat(14)}`);
