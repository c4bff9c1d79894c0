import { isSameBroker } from "../protocol/broker-url.js";
import { ExitCode } from "../util/errors.js";
import type { ClientEvent, FailCause, Sink } from "../events/events.js";
import type { PubSettings } from "../config/settings/pub-settings.js";
import { machineTopics } from "../protocol/topics.js";
import type { RunContext } from "./run-context.js";
import { type FailureBarrier, keepAliveDeadline, unlessLeft } from "./simulate-failure.js";
import { startWillMonitor, type WillVerdict, type WillMonitor } from "./will-monitor.js";

/** A connected machine: the URL of its broker, and its will's topic. */
export interface FailingMachine {
  broker: string;
  willTopic: string;
}

/** Fails a fleet on purpose: when each machine is ready, all fail at once, and a monitor counts their wills. */
export class FleetFailure implements FailureBarrier {
  readonly seen: Promise<void>;
  /** Null: the machines have not failed. */
  exitCode: ExitCode | null = null;
  #ready = 0;
  #failAll = () => {};
  #setSeen = () => {};
  #onAllClosed = () => {};
  readonly #failing: Promise<void>;
  #monitor: WillMonitor | null = null;

  constructor(
    private readonly settings: PubSettings,
    private readonly cause: FailCause,
    private readonly sink: Sink<ClientEvent>,
    private readonly context: RunContext,
  ) {
    this.#failing = new Promise(resolve => (this.#failAll = resolve));
    this.seen = new Promise(resolve => (this.#setSeen = resolve));
  }

  /** @throws UserError when the monitor has no connection */
  async start(): Promise<void> {
    if (this.cause === "crash") return;
    const { namespace, machine, willTopic } = this.settings;
    const isOwn = willTopic === machineTopics(namespace, machine).status;
    const filter = isOwn ? machineTopics(namespace, "+").status : willTopic;
    this.#monitor = await startWillMonitor(this.settings, this.sink, this.context.stop, filter);
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

  allClosed(): void {
    this.#onAllClosed();
  }

  async end(): Promise<void> {
    await this.#monitor?.end();
  }

  async #fail(connected: FailingMachine[]): Promise<void> {
    const { cause, sink, context } = this;
    const { keepAlive } = this.settings.connection;
    sink({ event: "failing", cause, keepAliveDeadline: keepAliveDeadline(cause, keepAlive) });
    if (cause === "crash") return context.crash();
    const closed = new Promise<void>(resolve => (this.#onAllClosed = resolve));
    const willTopics = connected.map(({ willTopic }) => willTopic);
    const watched = this.#monitor?.watch(cause, closed, willTopics, keepAlive);
    this.#failAll();
    const verdict = await unlessLeft(watched, context.stop);
    if (verdict) this.exitCode = this.#report(verdict, connected);
    this.#setSeen();
  }

  #report({ came, will, marker, interrupted }: WillVerdict, connected: FailingMachine[]): ExitCode {
    const { cause, sink } = this;
    const machines = connected.length;
    const watched = this.#monitor?.broker ?? "";
    const isUnseen = came.length < machines && connected.some(({ broker }) => !isSameBroker(broker, watched));
    const within = (share: number) => came[Math.ceil(share * came.length) - 1] ?? null;
    const times = { p50: within(0.5), p99: within(0.99), last: within(1) };
    if (interrupted) sink(MONITOR_INTERRUPTED);
    sink({ event: "wills-witnessed", cause, machines, wills: came.length, ...times });
    if (isUnseen) sink(monitorElsewhere(watched));
    const isExpected = cause === "graceful" ? marker && came.length === 0 : will;
    return isExpected && !isUnseen ? ExitCode.done : ExitCode.failed;
  }
}

/** Brokers that share publications would have shown it all wills. */
const monitorElsewhere = (watched: string): ClientEvent => ({
  event: "warning",
  code: "witness-elsewhere",
  message: `the witness was connected to ${watched}, and some machines to other brokers. A missing will may have been published there.`,
  hint: `Name one broker only: --broker ${watched}`,
});

const MONITOR_INTERRUPTED: ClientEvent = {
  event: "warning",
  code: "witness-interrupted",
  message: "the witness lost its own connection, so wills of that time are not counted.",
  hint: "To see the wills with a subscriber: npx sub-lwt --until offline",
};
