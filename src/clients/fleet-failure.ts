import { isSameBroker } from "../connection/broker-url.js";
import { ExitCode } from "../util/errors.js";
import type { ClientEvent, FailCause, Sink } from "../events/events.js";
import type { PubSettings } from "../config/settings/pub-settings.js";
import { machineTopics } from "../protocol/topics.js";
import { aborted, type RunContext } from "./run-context.js";
import { type FailureBarrier, keepAliveDeadline } from "./simulate-failure.js";
import { startWillMonitor, type WillVerdict, type WillMonitor } from "./will-monitor.js";

/** A connected machine: the URL of its broker, and where its will goes. */
export interface FailingMachine {
  broker: string;
  willTopic: string;
}

/** A fleet that fails on purpose: when each machine is ready to, all vanish at once, and a witness counts their wills. */
export class FleetFailure implements FailureBarrier {
  readonly seen: Promise<void>;
  /** Null: it has not come to that. */
  exitCode: ExitCode | null = null;
  #ready = 0;
  #failAll = () => {};
  #tellSeen = () => {};
  #whenAllGone = () => {};
  readonly #failing: Promise<void>;
  #witness: WillMonitor | null = null;

  constructor(
    private readonly settings: PubSettings,
    private readonly cause: FailCause,
    private readonly sink: Sink<ClientEvent>,
    private readonly control: RunContext,
  ) {
    this.#failing = new Promise(resolve => (this.#failAll = resolve));
    this.seen = new Promise(resolve => (this.#tellSeen = resolve));
  }

  /** @throws UserError when the witness has no connection */
  async start(): Promise<void> {
    if (this.cause === "crash") return;
    const { namespace, machine, willTopic } = this.settings;
    const isOwn = willTopic === machineTopics(namespace, machine).status;
    const filter = isOwn ? machineTopics(namespace, "+").status : willTopic;
    this.#witness = await startWillMonitor(this.settings, this.sink, this.control.stop, filter);
  }

  allReady(): Promise<void> {
    this.#ready += 1;
    return this.#failing;
  }

  /** @param running machines that have not ended @param connected those whose wills are due */
  failWhenReady(running: number, connected: Iterable<FailingMachine>): void {
    if (this.#ready === 0 || this.#ready < running || this.exitCode !== null) return;
    this.exitCode = ExitCode.failed;
    void this.#fail([...connected]);
  }

  allAreGone(): void {
    this.#whenAllGone();
  }

  async end(): Promise<void> {
    await this.#witness?.end();
  }

  async #fail(connected: FailingMachine[]): Promise<void> {
    const { cause, sink, control } = this;
    const { stop } = control;
    const { keepAlive } = this.settings.connection;
    sink({ event: "failing", cause, keepAliveDeadline: keepAliveDeadline(cause, keepAlive) });
    if (cause === "crash") return control.crash();
    const gone = new Promise<void>(resolve => (this.#whenAllGone = resolve));
    const willTopics = connected.map(({ willTopic }) => willTopic);
    const watching = this.#witness?.watch(cause, gone, willTopics, keepAlive);
    this.#failAll();
    // A Ctrl-C may have been what made them fail; a further one ends the waiting.
    const leaving = stop.aborted ? [] : [aborted(stop).then(() => null)];
    const verdict = await Promise.race([watching ?? null, ...leaving]);
    if (verdict) this.exitCode = this.#tell(verdict, connected);
    this.#tellSeen();
  }

  #tell({ came, will, marker, interrupted }: WillVerdict, connected: FailingMachine[]): ExitCode {
    const { cause, sink } = this;
    const machines = connected.length;
    const watched = this.#witness?.broker ?? "";
    const unseen = came.length < machines && connected.some(({ broker }) => !isSameBroker(broker, watched));
    const within = (share: number) => came[Math.ceil(share * came.length) - 1] ?? null;
    const times = { p50: within(0.5), p99: within(0.99), last: within(1) };
    if (interrupted) sink(WITNESS_INTERRUPTED);
    sink({ event: "wills-witnessed", cause, machines, wills: came.length, ...times });
    const asItShould = cause === "graceful" ? marker && came.length === 0 : will;
    if (unseen) sink(witnessElsewhere(watched));
    return asItShould && !unseen ? ExitCode.done : ExitCode.failed;
  }
}

/** Brokers that share what is published would have shown it all wills. */
const witnessElsewhere = (watched: string): ClientEvent => ({
  event: "warning",
  code: "witness-elsewhere",
  message: `the witness watched ${watched}, and some machines were on other brokers: wills that did not come can't be told from wills that went to those alone.`,
  hint: `Name one broker only: --broker ${watched}`,
});

const WITNESS_INTERRUPTED: ClientEvent = {
  event: "warning",
  code: "witness-interrupted",
  message: "the witness lost its own connection meanwhile: wills that came then are not counted.",
  hint: "A subscriber sees what became of the wills: npx sub-lwt --until offline",
};
