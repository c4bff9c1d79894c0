import { type Connection, connect } from "../connection/connect.js";
import { ExitCode, errorEvent, exitCodeOf, isUserError } from "../errors.js";
import type { ClientEvent, FailCause, Sink } from "../events.js";
import type { PubSettings } from "../settings/pub.js";
import { STATUS_PAYLOAD } from "../status.js";
import { aborted, type Control, patienceOf, pause } from "./control.js";
import { failOnPurpose } from "./failing.js";
import { forget } from "./forget.js";
import { type Payload, payloadsOf } from "./payloads.js";
import { tellWhatStays } from "./what-stays.js";
import { type Witness, startWitness } from "./witness.js";

/** Messages that may await their acknowledgment at once; at 20, mqtt.js falls to a tenth of its speed. */
const WINDOW = 1000;

/** The work of pub-lwt: publishes readings until something says stop, then ends as asked. */
export const publishReadings = (
  settings: PubSettings,
  sink: Sink<ClientEvent>,
  control: Control,
): Promise<ExitCode> =>
  settings.mode === "forget"
    ? forgetMachine(settings, sink, control)
    : new Publisher(settings, sink, control).run();

function forgetMachine(
  { connection, willTopic: statusTopic, readingsTopic, retain }: PubSettings,
  sink: Sink<ClientEvent>,
  control: Control,
): Promise<ExitCode> {
  const retained = [statusTopic, ...(retain ? [readingsTopic] : [])];
  return forget(connection, retained, sink, control);
}

class Publisher {
  readonly #waiting = new Set<Promise<void>>();
  /** No further readings: because of `control.stop`, Enter, or the connection's end. */
  readonly #enough = new AbortController();
  #connection: Connection | null = null;
  /** Messages that were handed to the connection; sent, by it to the network. */
  #taken = 0;
  #sent = 0;
  #acknowledged = 0;
  #announced: Promise<void> = Promise.resolve();
  #whenSettled: (() => void) | null = null;

  constructor(
    private readonly settings: PubSettings,
    private readonly sink: Sink<ClientEvent>,
    private readonly control: Control,
  ) {}

  async run(): Promise<ExitCode> {
    let witness: Witness | null = null;
    let exitCode: ExitCode;
    try {
      if (this.settings.fail && this.settings.fail.cause !== "crash")
        witness = await startWitness(this.settings, this.sink, this.control.stop);
      exitCode = await this.#publish(witness);
    } catch (error) {
      this.#connection?.destroy();
      if (!isUserError(error)) throw error;
      this.sink(errorEvent(error));
      exitCode = exitCodeOf(error);
    }
    await Promise.all([...this.#waiting, witness?.end()]);
    if (this.#connection) tellWhatStays(this.settings, this.sink);
    this.#summarise();
    return exitCode;
  }

  async #publish(witness: Witness | null): Promise<ExitCode> {
    const { connection: settings, fail } = this.settings;
    const { stop } = this.control;
    const connection = await connect(settings, this.#hear, { signal: stop });
    this.#connection = connection;
    this.#announce();
    const lost = connection.closed.then(error => {
      this.#enough.abort();
      return error;
    });
    stop.addEventListener("abort", () => this.#enough.abort());
    if (stop.aborted) this.#enough.abort();
    if (fail && fail.after === null) void this.#failAtEnter(fail.cause);
    await this.#orEnough(this.#announced);
    await this.#publishAll(connection);
    await Promise.race([lost, this.#allAcknowledged(), aborted(stop)]);
    const error = await Promise.race([lost, Promise.resolve(null)]);
    if (error) throw error;
    if (fail && this.#dueToFail()) {
      const { sink, control } = this;
      const failing = { sink, control, announceStop: () => this.#announceStop() };
      return failOnPurpose(fail.cause, this.settings, connection, witness, failing);
    }
    this.#announceStop();
    await connection.end(patienceOf(this.control));
    const reached = this.settings.qos === 0 ? this.#sent : this.#acknowledged;
    return reached >= (this.#most() ?? this.#taken) ? ExitCode.done : ExitCode.failed;
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
    if (event.event === "connected") this.#announce();
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
    const enough = aborted(signal).then(() => null);
    const next = payloadsOf(this.settings.source, this.control.input);
    let due = performance.now();
    while (this.#taken < most && !signal.aborted) {
      const coming = next();
      const payload = coming instanceof Promise ? await Promise.race([coming, enough]) : coming;
      if (payload === null) return;
      this.#publishOne(connection, payload);
      if (this.#waiting.size >= WINDOW) await this.#orEnough(this.#oneAcknowledged());
      due = Math.max(due + interval, performance.now());
      if (this.#taken < most && interval > 0) await pause(due - performance.now(), signal);
      else if (this.#taken % WINDOW === 0) await new Promise(setImmediate); // Ctrl-C and the socket get their turn
    }
  }

  #publishOne(connection: Connection, payload: Payload): void {
    const { readingsTopic: topic, qos, retain } = this.settings;
    this.#taken += 1;
    const sent = () => (this.#sent += 1);
    const done: Promise<void> = connection.publish({ topic, qos, retain, sent, ...payload }).then(
      () => {
        if (qos > 0) this.#acknowledged += 1;
        this.#settle(done);
      },
      () => this.#settle(done),
    );
    this.#waiting.add(done);
  }

  #settle(done: Promise<void>): void {
    this.#waiting.delete(done);
    this.#whenSettled?.();
  }

  #oneAcknowledged(): Promise<void> {
    return new Promise(resolve => (this.#whenSettled = resolve));
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
    const notAcknowledged = qos === 0 ? 0 : this.#sent - this.#acknowledged;
    const sent = { machine, sent: this.#sent, acknowledged: this.#acknowledged, notAcknowledged };
    this.sink({ event: "summary", machines: [sent] });
  }
}
