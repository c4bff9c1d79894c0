import assert from "node:assert/strict";
import { StringDecoder } from "node:string_decoder";
import type { Event, Timed } from "../../../src/events/events.js";
import type { Deliveries, Ledger, Stream } from "../chaos/ledger.js";
import { command, type Owner, type Running } from "../../support/processes.js";

type Told<Name extends Event["event"]> = Extract<Timed<Event>, { event: Name }>;
type Ears = { [Name in Event["event"]]?: (event: Told<Name>) => void };

const NAMESPACE = "Failover";
export const readingsOf = (machine: string) => `${NAMESPACE}/${machine}/SensorData`;
export const statusOf = (machine: string) => `${NAMESPACE}/${machine}/Status`;

/** One of our clients as a process: what it says is taken as it comes, for there is much of it. */
abstract class Client {
  /** Of the broker that it is connected to; null: to none. */
  at: string | null = null;
  /** How often it has been connected, and how often to another broker than before. */
  connections = 0;
  moves = 0;
  protected abstract readonly ears: Ears;
  #running: Running | null = null;
  #last: string | null = null;

  constructor(
    private readonly t: Owner,
    private readonly program: "pub-lwt" | "sub-lwt",
    private readonly args: string[],
  ) {}

  start(): void {
    const running = command(this.t, this.program, this.args);
    this.#running = running;
    const decoder = new StringDecoder("utf8");
    let rest = "";
    // Before Running looks whether what is waited for has come.
    running.child.stdout?.prependListener("data", (bytes: Buffer) => {
      const lines = (rest + decoder.write(bytes)).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#hear(JSON.parse(line) as Timed<Event>);
    });
  }

  /** @param enough asked whenever this client says something */
  async waitFor(what: string, enough: () => boolean): Promise<void> {
    const found = this.#running?.waitFor(what, () => enough() || undefined);
    // All that it said meanwhile is megabytes.
    await found?.catch(() => assert.fail(`${this.args.join(" ")}: ${what} did not come`));
  }

  /** It has given up, by itself. */
  get hasEnded(): boolean {
    return this.#running?.child.exitCode === 1;
  }

  /** With DISCONNECT, when nothing is in flight any more. */
  async stop(): Promise<void> {
    this.#running?.child.send("stop");
    assert.equal(await this.#running?.exit(), 0, this.#running?.stderr);
    this.at = null;
  }

  /** SIGKILL. */
  kill(): void {
    this.#running?.child.kill("SIGKILL");
  }

  #hear(event: Timed<Event>): void {
    if (event.event === "connected") {
      if (this.#last !== null && this.#last !== event.broker) this.moves += 1;
      this.at = this.#last = event.broker;
      this.connections += 1;
    }
    const ear = this.ears[event.event] as ((event: Timed<Event>) => void) | undefined;
    ear?.(event);
    if (event.event === "disconnected") this.at = null;
  }
}

export class Publisher extends Client {
  /** When each acknowledgment came, in milliseconds since 1970. */
  readonly acknowledgedAt: number[] = [];
  protected readonly ears: Ears = {
    published: ({ run, topic }) => {
      if (run !== null) this.#stream ??= this.ledger.stream(run, topic, 1, false);
    },
    acknowledged: ({ time, seq }) => {
      if (seq === null) return;
      this.#stream?.acknowledged.add(seq);
      this.acknowledgedAt.push(Date.parse(time));
    },
  };
  #stream: Stream | null = null;

  constructor(
    t: Owner,
    readonly machine: string,
    private readonly ledger: Ledger,
    brokers: string,
    interval: number,
  ) {
    const more = ["--namespace", NAMESPACE, "--interval", String(interval)];
    super(t, "pub-lwt", ["-b", brokers, "--machine", machine, ...more]);
  }
}

export class Subscriber extends Client {
  /** When it was last without a connection, and the longest that it was, in milliseconds. */
  #lostAt: number | null = null;
  longestAway = 0;
  /** Wills that came, by machine. */
  readonly wills = new Map<string, number>();
  isSubscribed = false;
  hasMarker = false;
  /** Connections on which the broker did not know its session any more. */
  forgotten = 0;
  /** Of the readings that came in one connection, how many were left out between the first and the last of a machine. */
  gaps = 0;
  readonly #deliveries: Deliveries;
  /** In this connection, by run. */
  #came = new Map<string, Set<number>>();
  protected readonly ears: Ears = {
    connected: ({ sessionPresent }) => {
      if (this.isStored && !sessionPresent && this.connections > 1) this.forgotten += 1;
    },
    subscribed: ({ time }) => {
      this.isSubscribed = true;
      if (this.#lostAt !== null)
        this.longestAway = Math.max(this.longestAway, Date.parse(time) - this.#lostAt);
      this.#lostAt = null;
    },
    disconnected: ({ time, graceful }) => {
      this.isSubscribed = false;
      if (!graceful) this.#lostAt ??= Date.parse(time);
      this.#countGaps();
    },
    message: ({ topic, run, seq }) => {
      if (topic === readingsOf(MARKER)) this.hasMarker = true;
      else if (run !== null && seq !== null) this.#take(run, seq);
    },
    status: ({ machine, state, delivery }) => {
      if (state !== "offline" || delivery === "retained" || machine === null) return;
      this.wills.set(machine, (this.wills.get(machine) ?? 0) + 1);
    },
  };

  constructor(
    t: Owner,
    readonly name: string,
    readonly isStored: boolean,
    ledger: Ledger,
    brokers: string,
  ) {
    const topics = ["SensorData", "Status"].flatMap(last => ["-t", `${NAMESPACE}/+/${last}`]);
    const more = isStored ? topics : [...topics, "--clean-session"];
    super(t, "sub-lwt", ["-b", brokers, "-i", name, "--namespace", NAMESPACE, ...more]);
    // A clean session is owed nothing that came while it was away.
    this.#deliveries = isStored ? ledger.session(name, 1) : { qos: 1, byRun: new Map() };
  }

  /** Different readings, of those that were acknowledged. */
  received(ledger: Ledger): number {
    return [...ledger.streams].reduce((sum, [run, { acknowledged }]) => {
      const came = new Set(this.#deliveries.byRun.get(run));
      return sum + [...acknowledged].filter(seq => came.has(seq)).length;
    }, 0);
  }

  override async stop(): Promise<void> {
    await super.stop();
    this.isSubscribed = false;
  }

  #take(run: string, seq: number): void {
    const { byRun } = this.#deliveries;
    byRun.set(run, byRun.get(run) ?? []);
    byRun.get(run)?.push(seq);
    this.#came.set(run, (this.#came.get(run) ?? new Set()).add(seq));
  }

  #countGaps(): void {
    for (const seqs of this.#came.values())
      this.gaps += Math.max(...seqs) - Math.min(...seqs) + 1 - seqs.size;
    this.#came = new Map();
  }
}

/** Sent when all the others are done: who has it has been sent what came before. */
export const MARKER = "Marker";
