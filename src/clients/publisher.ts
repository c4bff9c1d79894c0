import { type Connection, connectionTo } from "../connection/connect.js";
import { ExitCode, errorEvent, exitCodeOf, isUserError, UserError } from "../util/errors.js";
import type { ClientEvent, FailCause, MachineState, QoS, Sink } from "../events/events.js";
import type { PubSettings } from "../config/settings/pub-settings.js";
import { STATUS_PAYLOAD } from "../domain/machine-status.js";
import { whenAborted } from "../util/abort.js";
import { ackTimeoutMs, type RunContext } from "./run-context.js";
import { type FailureBarrier, simulateFailure, simulateFailureTogether } from "./simulate-failure.js";
import { forgetSession } from "./forget-session.js";
import { MessageSender } from "./message-sender.js";
import { warnLeftovers } from "./leftover-warning.js";
import { startWillMonitor, type WillMonitor } from "./will-monitor.js";

/**
 * Runs pub-lwt: publishes readings until it is stopped, then ends or fails as asked.
 * @param barrier of the machines that fail together; null: this one fails alone
 */
export function runPublisher(
  settings: PubSettings,
  sink: Sink<ClientEvent>,
  context: RunContext,
  barrier: FailureBarrier | null = null,
): Promise<ExitCode> {
  if (settings.mode === "publish") return new Publisher(settings, sink, context, barrier).run();
  const { connection, willTopic: statusTopic, readingsTopic, retain } = settings;
  const retained = [statusTopic, ...(retain ? [readingsTopic] : [])];
  return forgetSession(connection, retained, sink, context);
}

class Publisher {
  /** Aborted when no further readings are due. */
  readonly #enough = new AbortController();
  readonly #sender: MessageSender;
  #monitor: WillMonitor | null = null;
  #connection: Connection | null = null;
  #connectionError: UserError | null = null;
  #wasConnected = false;
  #onlinePublished: Promise<void> = Promise.resolve();

  constructor(
    private readonly settings: PubSettings,
    private readonly sink: Sink<ClientEvent>,
    private readonly context: RunContext,
    private readonly barrier: FailureBarrier | null,
  ) {
    this.#sender = new MessageSender(settings, this.#enough);
  }

  async run(): Promise<ExitCode> {
    const { fail } = this.settings;
    let exitCode: ExitCode;
    try {
      await this.#sender.openOutbox(this.sink);
      if (fail && fail.cause !== "crash" && !this.barrier)
        this.#monitor = await startWillMonitor(this.settings, this.sink, this.context.stop);
      exitCode = await this.#publish();
    } catch (error) {
      this.#connection?.destroy();
      if (!isUserError(error)) throw error;
      this.sink({
        ...errorEvent(error),
        ...(error.code === "client-id-in-use" && { hint: this.#ownNameHint() }),
      });
      exitCode = exitCodeOf(error);
    }
    await Promise.all([this.#sender.allAcknowledged(), this.#monitor?.end()]);
    await this.#sender.outbox?.close();
    if (this.#wasConnected) warnLeftovers(this.settings, this.sink);
    this.sink({ event: "summary", machines: [this.#sender.summary()] });
    return exitCode;
  }

  /** With another client ID alone, both clients would publish on the same topics. */
  #ownNameHint(): string {
    const { connection, machine } = this.settings;
    const option = connection.clientId === machine ? "--machine" : "--client-id";
    return `Choose another name: ${option} NAME. If the name is unique, the broker probably refuses the topic, the QoS or the size.`;
  }

  async #publish(): Promise<ExitCode> {
    const { fail } = this.settings;
    const { stop, input } = this.context;
    const sender = this.#sender;
    const connection = this.#connect();
    const opened = connection.open();
    opened.catch(() => {});
    if (!sender.outbox) await opened; // an outbox accepts readings before that
    this.#endWhenEnough(connection);
    await Promise.race([this.#onlinePublished, whenAborted(this.#enough.signal)]);
    await sender.publishAll(connection, input);
    if (!sender.refusal) await Promise.race([connection.closed, sender.allAcknowledged(), whenAborted(stop)]);
    if (this.#connectionError) throw this.#connectionError;
    if (sender.refusal && !connection.isConnected) throw sender.refusal;
    await opened;
    return fail && !sender.refusal && this.#isDueToFail()
      ? this.#fail(fail.cause, connection)
      : this.#end(connection);
  }

  #connect(): Connection {
    const { outbox } = this.#sender;
    const hooks = { signal: this.context.stop, ...(outbox && { outbox }) };
    this.#connection = connectionTo(this.settings.connection, this.#onEvent, hooks);
    this.#sender.resume(this.#connection);
    return this.#connection;
  }

  #endWhenEnough(connection: Connection): void {
    const { fail } = this.settings;
    const { stop } = this.context;
    const enough = () => this.#enough.abort();
    void connection.closed.then(error => {
      this.#connectionError = error;
      enough();
    });
    stop.addEventListener("abort", enough);
    if (stop.aborted) enough();
    if (fail && fail.after === null) void this.#failAtEnter(fail.cause);
  }

  async #failAtEnter(cause: FailCause): Promise<void> {
    if ((await this.context.enter()) === "pressed") return this.#enough.abort();
    this.sink({
      event: "warning",
      code: "no-enter",
      message: "standard input has ended, so you cannot press Enter.",
      hint: `Press Ctrl-C to fail, or say when: --fail ${cause} --after 3`,
    });
  }

  /** After so many readings, or when Enter or Ctrl-C was pressed; not for a time-out or a closed stdout. */
  #isDueToFail(): boolean {
    const { after } = this.settings.fail ?? {};
    if (typeof after === "number") return this.#sender.published >= after;
    return !this.context.stop.aborted || this.context.stop.reason === "interrupted";
  }

  async #fail(cause: FailCause, connection: Connection): Promise<ExitCode> {
    await this.#sender.outbox?.whenDurable(); // after a crash, acknowledged readings would be sent again
    const announceStop = () => void this.#publishStatus("stopped");
    if (this.barrier) return simulateFailureTogether(cause, connection, this.barrier, announceStop);
    const { settings, sink, context } = this;
    return simulateFailure(cause, {
      settings,
      connection,
      monitor: this.#monitor,
      sink,
      context,
      announceStop,
    });
  }

  async #end(connection: Connection): Promise<ExitCode> {
    void this.#publishStatus("stopped"); // end() waits for its acknowledgment
    await connection.end(ackTimeoutMs(this.context));
    if (this.#sender.refusal) throw this.#sender.refusal;
    return this.#sender.isComplete ? ExitCode.done : ExitCode.failed;
  }

  readonly #onEvent: Sink<ClientEvent> = event => {
    const taken = this.sink(event);
    if (event.event === "connected") {
      const { qos } = this.settings;
      const { maximumQos = qos } = event.granted ?? {};
      this.#wasConnected = true;
      this.#sender.setAway(false);
      if (maximumQos < qos) this.#sender.refuse(qosNotSupported(qos, maximumQos));
      this.#onlinePublished = this.#publishStatus("online");
    } else if (event.event === "reconnecting") this.#sender.setAway(true);
    return taken;
  };

  async #publishStatus(state: MachineState): Promise<void> {
    const { statusTopic: topic } = this.settings;
    if (topic === null) return;
    const status = { topic, payload: STATUS_PAYLOAD[state], qos: 1, retain: true } as const;
    await this.#connection?.publish(status).catch(() => {});
  }
}

/** With a lower QoS, "acknowledged" would not mean what was asked for. */
const qosNotSupported = (asked: QoS, maximum: QoS) =>
  new UserError(
    "qos-not-supported",
    `this broker accepts at most QoS ${maximum}, and --qos is ${asked} [MQTT-3.2.2-11].`,
    `Use --qos ${maximum}${maximum === 0 ? ", where nothing is acknowledged" : ""}.`,
  );
