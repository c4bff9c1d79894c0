import assert from "node:assert/strict";
import { setTimeout as passes } from "node:timers/promises";
import { STATUS_PAYLOAD } from "../../../src/domain/machine-status.js";
import { Ledger } from "../chaos/ledger.js";
import { judge, type Verdict } from "../chaos/verdict.js";
import { command, type Owner } from "../../support/processes.js";
import type { Cluster } from "./cluster.js";
import { MARKER, Publisher, readingsOf, statusOf, Subscriber } from "./load.js";

export interface Load {
  publishers: number;
  /** Half of them with a stored session. */
  subscribers: number;
  /** Seconds between two readings of a publisher. */
  interval: number;
  /** In each another node is killed, and brought back. */
  rounds: number;
  /** Readings of each publisher that are acknowledged before a node is killed, while it is dead, and when it is back. */
  readings: number;
}

export interface Outcome {
  load: Load;
  verdict: Verdict;
  /** What those with clean sessions got; `gaps` counts what was left out while they were connected. */
  clean: { received: number; due: number; gaps: number };
  /** Subscribers whom no node took before the dead one was back. */
  gaveUp: number;
  /** Of those who publish, those who were on a node when it was killed, and whose will came. */
  wills: { due: number; came: number };
  /** Of a client that died while all nodes lived. */
  control: { due: number; came: number };
  retained: Look[];
  /** Milliseconds: the longest time without an acknowledgment. */
  silent: { each: number[]; all: number };
  /** Milliseconds: the longest time that a subscriber was without its subscriptions, not having left. */
  away: number;
  moves: number;
  seconds: number;
}

/** How many of all retained statuses a new subscriber is given by each node; null: it is dead. */
export interface Look {
  when: string;
  found: (number | null)[];
}

/** Milliseconds without anything new after which what is missing is lost. */
const QUIET = 20_000;
const CONTROL = "Control";

/** Publishes and subscribes on a cluster, kills its nodes one after the other, and counts. */
export async function failover(
  t: Owner,
  cluster: Cluster,
  load: Load,
  progress: (text: string) => void,
): Promise<Outcome> {
  const run = new Run(t, cluster, load, progress);
  await run.start();
  for (let round = 0; round < load.rounds; round++) await run.round(round);
  return run.end();
}

class Run {
  readonly #ledger = new Ledger();
  readonly #publishers: Publisher[];
  readonly #subscribers: Subscriber[];
  /** Machines that were on a node when it was killed, once for each time. */
  readonly #bereaved: string[] = [];
  readonly #retained: Look[] = [];
  readonly #control = { due: 0, came: 0 };
  #dead: number | null = null;
  #gaveUp = 0;
  readonly #began = performance.now();

  constructor(
    private readonly t: Owner,
    private readonly cluster: Cluster,
    private readonly load: Load,
    private readonly progress: (text: string) => void,
  ) {
    const ledger = this.#ledger;
    this.#publishers = numbers(load.publishers).map(
      i => new Publisher(t, `Machine${i + 1}`, ledger, this.#brokers(i), load.interval),
    );
    this.#subscribers = numbers(load.subscribers).map(i => {
      const isStored = i % 2 === 0;
      const name = `${isStored ? "Stored" : "Clean"}${i + 1}`;
      return new Subscriber(t, name, isStored, ledger, this.#brokers(i));
    });
  }

  get #stored(): Subscriber[] {
    return this.#subscribers.filter(({ isStored }) => isStored);
  }

  /** The list, beginning with another node for each: as a fleet does it. */
  #brokers(i: number): string {
    const { urls } = this.cluster;
    const first = i % urls.length;
    return [...urls.slice(first), ...urls.slice(0, first)].join(",");
  }

  async start(): Promise<void> {
    for (const each of this.#subscribers) each.start();
    await all(this.#subscribers, each => each.waitFor("subscriptions", () => each.isSubscribed));
    for (const each of this.#publishers) each.start();
    await this.#acknowledged(1);
  }

  async round(number: number): Promise<void> {
    const node = number % this.cluster.urls.length;
    await this.#underLoad("all live");
    // One stored session is away when it happens, and comes back while the node is dead.
    const away = this.#stored[number % this.#stored.length];
    await away?.stop();
    const url = this.cluster.urls[node];
    this.#bereaved.push(...this.#publishers.filter(({ at }) => at === url).map(({ machine }) => machine));
    this.cluster.kill(node);
    this.#dead = node;
    await this.#acknowledged(this.load.readings);
    away?.start();
    await this.#underLoad(`node ${node + 1} is dead`);
    await this.cluster.revive(this.t);
    this.#dead = null;
    // A broker may take no subscription of a client whose queue was on the dead node: it has given up, and tries again.
    const lost = this.#subscribers.filter(({ hasEnded }) => hasEnded);
    for (const each of lost) each.start();
    await all(lost, each => each.waitFor("subscriptions", () => each.isSubscribed));
    this.#gaveUp += lost.length;
    await this.#underLoad(`node ${node + 1} is back`);
    await this.#controlDies(number);
  }

  /** Ends all, when what was acknowledged has come, or comes no more. */
  async end(): Promise<Outcome> {
    await all(this.#publishers, each => each.stop());
    const args = ["-b", this.cluster.brokers, "-i", MARKER, "-t", readingsOf(MARKER), "-m", "x", "--no-will"];
    const marker = command(this.t, "pub-lwt", [...args, "--no-status"]);
    assert.equal(await marker.exit(), 0, marker.stderr);
    await all(this.#subscribers, each => each.waitFor("the marker", () => each.hasMarker));
    await this.#allCame();
    await all(this.#subscribers, each => each.stop());
    this.#ledger.forgotten = sum(this.#stored.map(({ forgotten }) => forgotten));
    const verdict = judge(this.#ledger);
    const clean = this.#subscribers.filter(({ isStored }) => !isStored);
    return {
      load: this.load,
      verdict,
      gaveUp: this.#gaveUp,
      clean: {
        received: sum(clean.map(each => each.received(this.#ledger))),
        due: clean.length * verdict.acknowledged,
        gaps: sum(clean.map(({ gaps }) => gaps)),
      },
      wills: this.#wills(),
      control: this.#control,
      retained: this.#retained,
      silent: {
        each: this.#publishers.map(({ acknowledgedAt }) => longestGap(acknowledgedAt)),
        all: longestGap(this.#publishers.flatMap(({ acknowledgedAt }) => acknowledgedAt)),
      },
      away: Math.max(...this.#subscribers.map(({ longestAway }) => longestAway)),
      moves: sum([...this.#publishers, ...this.#subscribers].map(({ moves }) => moves)),
      seconds: (performance.now() - this.#began) / 1000,
    };
  }

  async #underLoad(when: string): Promise<void> {
    await this.#acknowledged(this.load.readings);
    const found = await Promise.all(
      this.cluster.urls.map((url, i) => (i === this.#dead ? Promise.resolve(null) : this.#statusesAt(url))),
    );
    this.#retained.push({ when, found });
    const { acknowledged, delivered } = judge(this.#ledger);
    this.progress(`${when}: ${acknowledged} acknowledged, ${delivered} delivered to stored sessions`);
  }

  /** So many more readings of each publisher. */
  async #acknowledged(count: number): Promise<void> {
    await all(this.#publishers, each => {
      const enough = each.acknowledgedAt.length + count;
      return each.waitFor(`${enough} acknowledgments`, () => each.acknowledgedAt.length >= enough);
    });
  }

  /** Asked by topic names: RabbitMQ knows nothing of retained messages for a filter with wildcards. */
  async #statusesAt(url: string): Promise<number> {
    const topics = this.#publishers.flatMap(({ machine }) => ["-t", statusOf(machine)]);
    // While the others choose who leads, a node refuses its clients (return code 3).
    for (const deadline = performance.now() + 60_000; ; ) {
      const looker = command(this.t, "sub-lwt", [
        "--retained",
        "-i",
        `Looker${this.cluster.urls.indexOf(url)}`,
        "-b",
        url,
        ...topics,
      ]);
      if ((await looker.exit()) !== 0 && performance.now() < deadline) continue;
      assert.equal(await looker.exit(), 0, looker.stderr);
      return looker.all("message").filter(({ payload }) => payload === STATUS_PAYLOAD.online).length;
    }
  }

  /** One more machine dies, on a node that lives. */
  async #controlDies(number: number): Promise<void> {
    const machine = `${CONTROL}${number + 1}`;
    const control = new Publisher(this.t, machine, new Ledger(), this.cluster.brokers, this.load.interval);
    control.start();
    await control.waitFor("an acknowledgment", () => control.acknowledgedAt.length > 0);
    control.kill();
    this.#control.due += 1;
    await this.#acknowledged(this.load.readings);
    this.#control.came += this.#willsOf(machine);
  }

  #willsOf(machine: string): number {
    return Math.max(...this.#subscribers.map(({ wills }) => wills.get(machine) ?? 0));
  }

  #wills(): Outcome["wills"] {
    const came = sum([...new Set(this.#bereaved)].map(machine => this.#willsOf(machine)));
    return { due: this.#bereaved.length, came };
  }

  async #allCame(): Promise<void> {
    let { lost, delivered } = judge(this.#ledger);
    for (let quietSince = performance.now(); lost > 0 && performance.now() < quietSince + QUIET; ) {
      await passes(100);
      const now = judge(this.#ledger);
      if (now.delivered > delivered) quietSince = performance.now();
      ({ lost, delivered } = now);
    }
  }
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
const sum = (counts: number[]) => counts.reduce((total, count) => total + count, 0);
const all = <Each>(list: Each[], act: (each: Each) => Promise<void>) => Promise.all(list.map(act));

function longestGap(times: number[]): number {
  const inOrder = times.toSorted((a, b) => a - b);
  return Math.max(0, ...inOrder.slice(1).map((time, i) => time - (inOrder[i] ?? time)));
}

/** Nothing that was acknowledged is lost, and each client has gone on elsewhere; the rest is measured. */
export const isKept = ({ verdict }: Outcome): boolean => verdict.lost + verdict.forgotten === 0;
