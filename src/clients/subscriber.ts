import { type Connection, type ConnectionHooks, connect } from "../connection/connect.js";
import { ExitCode, errorEvent, exitCodeOf, isUserError } from "../util/errors.js";
import type { ClientEvent, QoS, Sink } from "../events/events.js";
import type { SubSettings } from "../config/settings/sub-settings.js";
import { MAX_MACHINES, SequenceTally } from "../domain/sequence-tally.js";
import { pause, whenAborted } from "../util/abort.js";
import { ackTimeoutMs, type RunContext } from "./run-context.js";
import { forgetSession } from "./forget-session.js";
import { warnLeftovers } from "./leftover-warning.js";

/** Milliseconds without a message after which --retained ends. */
const QUIET_MS = 500;

/** Runs sub-lwt: subscribes, shows every message, and stops when --count or --until is reached. */
export const runSubscriber = (
  settings: SubSettings,
  sink: Sink<ClientEvent>,
  context: RunContext,
): Promise<ExitCode> =>
  settings.mode === "forget"
    ? forgetSession(settings.connection, [], sink, context)
    : new Subscriber(settings, sink, context).run();

type MessageEvent = Extract<ClientEvent, { event: "message" }>;

class Subscriber {
  readonly #tally = new SequenceTally();
  /** Aborted when --count or --until has been reached. */
  readonly #reached = new AbortController();
  /** Aborted when the broker has acknowledged the subscriptions for the first time. */
  readonly #subscribed = new AbortController();
  #connection: Connection | null = null;
  #untilReached = false;
  #accepted = 0;
  #counted = 0;
  #failure: unknown = null;
  /** Milliseconds by performance.now(). */
  #lastMessageAt = 0;

  constructor(
    private readonly settings: SubSettings,
    private readonly sink: Sink<ClientEvent>,
    private readonly context: RunContext,
  ) {}

  async run(): Promise<ExitCode> {
    let exitCode: ExitCode;
    try {
      exitCode = await this.#follow();
    } catch (error) {
      this.#connection?.destroy();
      if (!isUserError(error)) throw error;
      this.sink(errorEvent(error));
      exitCode = exitCodeOf(error);
    }
    if (this.#connection) warnLeftovers(this.settings, this.sink);
    if (this.settings.mode === "follow") this.#summarise();
    return exitCode;
  }

  #summarise(): void {
    const { untrackedMessages } = this.#tally;
    if (untrackedMessages > 0)
      this.sink({
        event: "warning",
        code: "too-many-machines",
        message: `${untrackedMessages} messages are in no machine's summary: at most ${MAX_MACHINES} machines are counted.`,
        hint: "Subscribe to fewer: --machine NAME, or --topic FILTER.",
      });
    this.sink({ event: "summary", machines: this.#tally.summary() });
  }

  async #follow(): Promise<ExitCode> {
    const { mode, count, until } = this.settings;
    const { stop } = this.context;
    const connection = await connect(this.settings.connection, this.#onEvent, this.#hooks());
    this.#connection = connection;
    this.#subscribe(connection);
    const lost = connection.closed;
    const enough = [lost, whenAborted(stop), whenAborted(this.#reached.signal)];
    await Promise.race([whenAborted(this.#subscribed.signal), ...enough]);
    if (mode === "follow") await Promise.race(enough);
    if (mode === "retained") await Promise.race([...enough, this.#whenQuiet()]);
    const error = this.#failure ?? (await Promise.race([lost, Promise.resolve(null)]));
    if (error) throw error;
    await connection.end(ackTimeoutMs(this.context));
    if (mode !== "follow") return this.#subscribed.signal.aborted ? ExitCode.done : ExitCode.failed;
    const reached = until === null ? count === null || this.#counted >= count : this.#untilReached;
    return reached ? ExitCode.done : ExitCode.failed;
  }

  #hooks(): ConnectionHooks {
    return {
      filters: this.settings.filters,
      accept: (_, matchesFilter) => this.#accept(matchesFilter),
      acknowledge: !this.settings.holdAcks,
      signal: this.context.stop,
    };
  }

  /** Subscribes at each connection: a client cannot read which filters its stored session has. */
  #subscribe(connection: Connection): void {
    const { filters, qos } = this.settings;
    connection.subscribe(filters, qos).then(
      granted => this.#onGranted(granted),
      (error: unknown) => {
        // The next connection asks again.
        if (isUserError(error) && error.code === "not-acknowledged") return;
        this.#failure = error;
        this.#reached.abort();
      },
    );
  }

  #onGranted(granted: QoS[]): void {
    const { filters, qos } = this.settings;
    for (const [i, grantedQos] of granted.entries())
      if (grantedQos < qos)
        this.sink({
          event: "warning",
          code: "lower-qos",
          message: `the broker granted QoS ${grantedQos} for ${filters[i]}, not ${qos}.`,
          hint:
            grantedQos === 0
              ? "At QoS 0 nothing is stored while this subscriber is away."
              : "At QoS 1 a message can arrive twice.",
        });
    this.#subscribed.abort();
  }

  /** Leaves messages beyond --count unacknowledged, for the next connection. */
  #accept(matchesFilter: boolean): boolean {
    const { mode, count } = this.settings;
    if (mode === "subscribe-only" || this.#reached.signal.aborted) return false;
    if (count === null) return true;
    if (this.#accepted >= count) return false;
    if (matchesFilter) this.#accepted += 1;
    return true;
  }

  readonly #onEvent: Sink<ClientEvent> = event => {
    if (event.event === "message" && this.settings.mode === "retained" && !event.retain) return undefined;
    const taken = this.sink(event);
    if (event.event === "message") this.#count(event);
    if (event.event === "connected") {
      // Messages at QoS 2 that were accepted and not released ended with the session.
      if (!event.sessionPresent) this.#accepted = this.#counted;
      if (this.#connection) this.#subscribe(this.#connection);
    }
    return taken;
  };

  /** The message is the status that --until waits for: new, and of a machine that this run asked for. */
  #isAwaited({ parsed, machine, delivery }: MessageEvent): boolean {
    const { until, machine: asked } = this.settings;
    const isNew = delivery === "live" || delivery === "queued";
    const isOfMachine = asked === null || asked === machine;
    return until !== null && parsed?.state === until && parsed.matchesFilter && isNew && isOfMachine;
  }

  #count(message: MessageEvent): void {
    const { count, holdAcks } = this.settings;
    this.#lastMessageAt = performance.now();
    if (this.#tally.count(message, holdAcks && message.qos > 0))
      this.sink({
        event: "warning",
        code: "interleaved-runs",
        message: `two runs of pub-lwt publish under the name ${message.machine ?? message.topic}.`,
        hint: "Give each machine its own name: pub-lwt --machine NAME.",
      });
    if (message.parsed?.matchesFilter) this.#counted += 1;
    this.#untilReached ||= this.#isAwaited(message);
    if (this.#untilReached || (count !== null && this.#counted >= count)) this.#reached.abort();
  }

  async #whenQuiet(): Promise<void> {
    this.#lastMessageAt = performance.now();
    for (let left = QUIET_MS; left > 0; left = QUIET_MS - (performance.now() - this.#lastMessageAt))
      await pause(left, this.context.stop);
  }
}
