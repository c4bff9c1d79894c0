import { type Connection, connectionTo, MAX_INCOMPLETE_QOS2 } from "../connection/connect.js";
import { ExitCode, errorEvent, exitCodeOf, isUserError, UserError } from "../util/errors.js";
import type { ClientEvent, FailCause, QoS, SentSummary, Sink } from "../events/events.js";
import type { DurableOutbox } from "../outbox/open-outbox.js";
import type { PubSettings } from "../config/settings/pub-settings.js";
import { STATUS_PAYLOAD } from "../domain/machine-status.js";
import { aborted, type RunContext, patienceOf, pause, unlessAborted } from "./run-context.js";
import { type FailureBarrier, simulateFailure, simulateFailureTogether } from "./simulate-failure.js";
import { forgetSession } from "./forget-session.js";
import { type Payload, payloadsOf } from "./payloads.js";
import { warnLeftovers } from "./leftover-warning.js";
import { type WillMonitor, startWillMonitor } from "./will-monitor.js";

/** Messages that may await their acknowledgment at once; at 20, mqtt.js falls to a tenth of its speed. */
const WINDOW = 1000;

/** The work of pub-lwt: publishes readings until something says stop, then ends as asked. */
export const runPublisher = (
  settings: PubSettings,
  sink: Sink<ClientEvent>,
  control: RunContext,
  crowd: FailureBarrier | null = null,
): Promise<ExitCode> =>
  settings.mode === "forget"
    ? forgetMachine(settings, sink, control)
    : new Publisher(settings, sink, control, crowd).run();

function forgetMachine(
  { connection, willTopic: statusTopic, readingsTopic, retain }: PubSettings,
  sink: Sink<ClientEvent>,
  control: RunContext,
): Promise<ExitCode> {
  const retained = [statusTopic, ...(retain ? [readingsTopic] : [])];
  return forgetSession(connection, retained, sink, control);
}

/** How many messages were handed to the network, and acknowledged at QoS 1 and 2. */
interface Tally {
  sent: number;
  acknowledged: number;
}

class Publisher {
  readonly #waiting = new Set<Promise<void>>();
  /** No further readings: because of `control.stop`, Enter, the connection's end, or what can't be kept. */
  readonly #enough = new AbortController();
  #connection: Connection | null = null;
  #outbox: DurableOutbox | null = null;
  /** A broker has accepted this client. */
  #wasConnected = false;
  /** There is no connection, as has been told. */
  #isAway = false;
  /** Messages that were handed to the connection. */
  #taken = 0;
  /** Of this run's messages, and of those that earlier ones have left in the outbox. */
  readonly #own: Tally = { sent: 0, acknowledged: 0 };
  readonly #earlier: Tally = { sent: 0, acknowledged: 0 };
  /** The outbox takes no more. */
  #refused: UserError | null = null;
  #announced: Promise<void> = Promise.resolve();
  #whenChanged: (() => void) | null = null;

  constructor(
    private readonly settings: PubSettings,
    private readonly sink: Sink<ClientEvent>,
    private readonly control: RunContext,
    /** With whom it is to fail; null: alone. */
    private readonly crowd: FailureBarrier | null,
  ) {}

  async run(): Promise<ExitCode> {
    let witness: WillMonitor | null = null;
    let exitCode: ExitCode;
    try {
      await this.#openOutbox();
      if (this.settings.fail && this.settings.fail.cause !== "crash" && !this.crowd)
        witness = await startWillMonitor(this.settings, this.sink, this.control.stop);
      exitCode = await this.#publish(witness);
    } catch (error) {
      this.#connection?.destroy();
      if (!isUserError(error)) throw error;
      this.sink(errorEvent(error));
      exitCode = exitCodeOf(error);
    }
    await Promise.all([...this.#waiting, witness?.end()]);
    await this.#outbox?.close();
    if (this.#wasConnected) warnLeftovers(this.settings, this.sink);
    this.#summarise();
    return exitCode;
  }

  /** Loaded only where it is asked for. */
  async #openOutbox(): Promise<void> {
    const { outbox: folder, connection } = this.settings;
    if (folder === null) return;
    const { openOutbox } = await import("../outbox/open-outbox.js");
    this.#outbox = await openOutbox(folder, connection.clientId, this.sink);
  }

  async #publish(witness: WillMonitor | null): Promise<ExitCode> {
    const { connection: settings, fail } = this.settings;
    const { stop } = this.control;
    const outbox = this.#outbox;
    const connection = connectionTo(settings, this.#hear, { signal: stop, ...(outbox && { outbox }) });
    this.#connection = connection;
    if (outbox)
      for (const done of connection.takeUp(this.#sent(this.#earlier))) this.#await(done, this.#earlier);
    const opened = connection.open();
    opened.catch(() => {});
    if (!outbox) await opened; // else readings are kept until it is
    const lost = connection.closed.then(error => {
      this.#enough.abort();
      return error;
    });
    this.#enough.signal.addEventListener("abort", () => this.#whenChanged?.());
    stop.addEventListener("abort", () => this.#enough.abort());
    if (stop.aborted) this.#enough.abort();
    if (fail && fail.after === null) void this.#failAtEnter(fail.cause);
    await this.#orEnough(this.#announced);
    await this.#publishAll(connection);
    if (!this.#refused) await Promise.race([lost, this.#allAcknowledged(), aborted(stop)]);
    const error = await Promise.race([lost, Promise.resolve(null)]);
    if (error) throw error;
    if (this.#refused && !connection.isConnected) throw this.#refused;
    await opened;
    if (fail && !this.#refused && this.#dueToFail()) {
      const { sink, control } = this;
      await outbox?.recorded(); // else a crash would have sent again what was just seen acknowledged
      if (this.crowd)
        return simulateFailureTogether(fail.cause, connection, this.crowd, () => this.#announceStop());
      const failing = { sink, control, announceStop: () => this.#announceStop() };
      return simulateFailure(fail.cause, this.settings, connection, witness, failing);
    }
    this.#announceStop();
    await connection.end(patienceOf(this.control));
    if (this.#refused) throw this.#refused;
    const { sent, acknowledged } = this.#own;
    const reached = this.settings.qos === 0 ? sent : acknowledged;
    const isEmpty = !outbox || outbox.waiting.size === 0;
    return isEmpty && reached >= (this.#most() ?? this.#taken) ? ExitCode.done : ExitCode.failed;
  }

  async #failAtEnter(cause: FailCause): Promise<void> {
    if ((await this.control.enter()) === "pressed") return this.#enough.abort();
    this.sink({
      event: "warning",
      code: "no-enter",
      message: "standard input has ended, so Enter can't be pressed.",
      hint: `Ctrl-C fails here too, or say when: --fail ${cause} --after 3`,
    });
  }

  /** Whatever is waited for: not longer than until it is time to stop. */
  async #orEnough(promise: Promise<unknown>): Promise<void> {
    await Promise.race([promise, aborted(this.#enough.signal)]);
  }

  /** After so many readings, or else when Enter or Ctrl-C was pressed; not for a time-out or a closed stdout. */
  #dueToFail(): boolean {
    const { after } = this.settings.fail ?? {};
    if (typeof after === "number") return this.#taken >= after;
    return !this.control.stop.aborted || this.control.stop.reason === "interrupted";
  }

  /** How many messages this run is to publish; null: until it is stopped. */
  #most(): number | null {
    const { count, source, fail } = this.settings;
    return fail ? fail.after : (count ?? (source.kind === "message" ? 1 : null));
  }

  /** The connection's events, on their way out: each CONNACK is followed by "Sensor Online". */
  readonly #hear: Sink<ClientEvent> = event => {
    const taken = this.sink(event);
    if (event.event === "connected") {
      this.#wasConnected = true;
      this.#isAway = false;
      const { maximumQos = this.settings.qos } = event.granted ?? {};
      if (maximumQos < this.settings.qos) this.#refuse(qosNotSupported(this.settings.qos, maximumQos));
      this.#announce();
    } else if (event.event === "reconnecting") {
      this.#isAway = true;
      this.#whenChanged?.();
    }
    return taken;
  };

  #announce(): void {
    const { statusTopic: topic } = this.settings;
    if (topic === null || !this.#connection) return;
    const online = { topic, payload: STATUS_PAYLOAD.online, qos: 1, retain: true } as const;
    this.#announced = this.#connection.publish(online).catch(() => {});
  }

  async #publishAll(connection: Connection): Promise<void> {
    const most = this.#most() ?? Number.POSITIVE_INFINITY;
    const interval = this.settings.interval * 1000;
    const { signal } = this.#enough;
    const next = payloadsOf(this.settings.source, this.control.input);
    let due = performance.now();
    while (this.#taken < most && !signal.aborted) {
      if (this.#mustWait()) {
        await this.#change();
        continue;
      }
      if (this.#outbox?.isFull) return this.#refuse(outboxFull(this.#outbox));
      const coming = next();
      const payload = coming instanceof Promise ? await unlessAborted(coming, signal) : coming;
      if (payload === null) return;
      this.#publishOne(connection, payload);
      due = Math.max(due + interval, performance.now());
      if (this.#taken < most && interval > 0) await pause(due - performance.now(), signal);
      else if (this.#taken % WINDOW === 0) await new Promise(setImmediate); // Ctrl-C and the socket get their turn
    }
  }

  #publishOne(connection: Connection, { payload, run, seq }: Payload): void {
    const { readingsTopic: topic, qos, retain } = this.settings;
    this.#taken += 1;
    const message = { topic, payload, qos, retain, run, seq, sent: this.#sent(this.#own) };
    this.#await(this.#outbox ? connection.publishKept(message) : connection.publish(message), this.#own);
  }

  readonly #sent = (tally: Tally) => () => {
    tally.sent += 1;
  };

  #await(acknowledged: Promise<void>, tally: Tally): void {
    const done: Promise<void> = acknowledged
      .then(
        () => {
          if (this.settings.qos > 0) tally.acknowledged += 1;
        },
        (error: unknown) => {
          if (isUserError(error) && error.code === "outbox-no-room") this.#refuse(error);
        },
      )
      .then(() => {
        this.#waiting.delete(done);
        this.#whenChanged?.();
      });
    this.#waiting.add(done);
  }

  /** Of this run, the last readings are kept or told of; no further ones are made. */
  #refuse(error: UserError): void {
    this.#refused ??= error;
    this.#enough.abort();
  }

  /** With the broker away an outbox takes readings that come at intervals; what comes without a pause always waits. */
  #mustWait(): boolean {
    const { qos, interval } = this.settings;
    if (!this.#outbox) return this.#waiting.size >= (qos === 2 ? MAX_INCOMPLETE_QOS2 : WINDOW);
    return this.#waiting.size >= WINDOW && (!this.#isAway || interval === 0);
  }

  /** Kept when it has to be looked again whether to wait. */
  #change(): Promise<void> {
    return new Promise(resolve => (this.#whenChanged = resolve));
  }

  async #allAcknowledged(): Promise<void> {
    await Promise.all(this.#waiting);
  }

  /** What a machine that leaves on purpose says itself. */
  #announceStop(): void {
    const { statusTopic: topic } = this.settings;
    const connection = this.#connection;
    if (topic === null || !connection) return;
    const stopped = { topic, payload: STATUS_PAYLOAD.stopped, qos: 1, retain: true } as const;
    connection.publish(stopped).catch(() => {}); // end() waits for its acknowledgment
  }

  #summarise(): void {
    const { qos, machine } = this.settings;
    const sent = this.#own.sent + this.#earlier.sent;
    const acknowledged = this.#own.acknowledged + this.#earlier.acknowledged;
    const summary: SentSummary = {
      machine,
      sent,
      acknowledged,
      notAcknowledged: qos === 0 ? 0 : sent - acknowledged,
      fromOutbox: this.#outbox && this.#earlier.sent,
      inOutbox: this.#outbox && this.#outbox.waiting.size,
    };
    this.sink({ event: "summary", machines: [summary] });
  }
}

/** With less than was asked for, what "acknowledged" means would not hold. */
const qosNotSupported = (asked: QoS, most: QoS) =>
  new UserError(
    "qos-not-supported",
    `this broker takes QoS ${most} at most, and --qos ${asked} was asked for [MQTT-3.2.2-11].`,
    `Use --qos ${most}${most === 0 ? ", at which nothing is acknowledged" : ""}.`,
  );

const outboxFull = ({ folder, waiting }: DurableOutbox) =>
  new UserError(
    "outbox-full",
    `${waiting.size} messages are kept in ${folder}, and more are not taken.`,
    "Start again with the same --outbox when the broker is back: they are sent first.",
  );
