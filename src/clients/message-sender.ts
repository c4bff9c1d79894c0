import { type Connection, MAX_INCOMPLETE_QOS2 } from "../connection/connect.js";
import { isUserError, UserError } from "../util/errors.js";
import type { ClientEvent, SentSummary, Sink } from "../events/events.js";
import type { DurableOutbox } from "../outbox/open-outbox.js";
import type { PubSettings } from "../config/settings/pub-settings.js";
import { pause, unlessAborted } from "../util/abort.js";
import { type Payload, payloadsOf } from "./payloads.js";

/** Messages that may await their acknowledgment at once; at 20, mqtt.js falls to a tenth of its speed. */
const MAX_UNACKNOWLEDGED = 1000;

/** Messages handed to the network, and those acknowledged at QoS 1 and 2. */
interface Counts {
  sent: number;
  acknowledged: number;
}

/** Publishes a run's messages, with or without an outbox, and counts them until they are acknowledged. */
export class MessageSender {
  outbox: DurableOutbox | null = null;
  /** Why no more messages are accepted. */
  refusal: UserError | null = null;
  /** Messages of this run that were handed to the connection. */
  published = 0;
  #isAway = false;
  #unacknowledged = 0;
  #change: Promise<void> | null = null;
  #onChange = () => {};
  readonly #own: Counts = { sent: 0, acknowledged: 0 };
  /** Of the messages that earlier runs have left in the outbox. */
  readonly #earlier: Counts = { sent: 0, acknowledged: 0 };
  readonly #countSent = () => void (this.#own.sent += 1);
  /** Messages that this run is to publish; null: until it is stopped. */
  readonly #limit: number | null;

  constructor(
    private readonly settings: PubSettings,
    /** Aborted when no further messages are due. */
    private readonly enough: AbortController,
  ) {
    const { count, source, fail } = settings;
    this.#limit = fail ? fail.after : (count ?? (source.kind === "message" ? 1 : null));
    enough.signal.addEventListener("abort", () => this.#changed());
  }

  /** Loads the outbox only when it is asked for. */
  async openOutbox(sink: Sink<ClientEvent>): Promise<void> {
    const { outbox: folder, connection } = this.settings;
    if (folder === null) return;
    const { openOutbox } = await import("../outbox/open-outbox.js");
    this.outbox = await openOutbox(folder, connection.clientId, sink);
  }

  /** Sends the messages that earlier runs have left in the outbox, before all others. */
  resume(connection: Connection): void {
    if (!this.outbox) return;
    for (const acknowledged of connection.resumeOutbox(() => void (this.#earlier.sent += 1)))
      this.#track(acknowledged, this.#earlier);
  }

  /** Publishes until the limit, the end of the input, or until no further messages are due. */
  async publishAll(connection: Connection, input: () => AsyncIterable<Buffer>): Promise<void> {
    const limit = this.#limit ?? Number.POSITIVE_INFINITY;
    const interval = this.settings.interval * 1000;
    const { signal } = this.enough;
    const next = payloadsOf(this.settings.source, input);
    let due = performance.now();
    while (this.published < limit && !signal.aborted) {
      if (this.#mustWait()) {
        await this.#nextChange();
        continue;
      }
      if (this.outbox?.isFull) return this.refuse(outboxFull(this.outbox));
      const upcoming = next();
      const payload = upcoming instanceof Promise ? await unlessAborted(upcoming, signal) : upcoming;
      if (payload === null) return;
      this.#publish(connection, payload);
      due = Math.max(due + interval, performance.now());
      if (this.published < limit && interval > 0) await pause(due - performance.now(), signal);
      else if (this.published % MAX_UNACKNOWLEDGED === 0) await new Promise(setImmediate); // for Ctrl-C and the socket
    }
  }

  /** Resolves when no message awaits its acknowledgment. */
  async allAcknowledged(): Promise<void> {
    while (this.#unacknowledged > 0) await this.#nextChange();
  }

  /** Everything that this run was asked to publish has been acknowledged; at QoS 0, sent. */
  get isComplete(): boolean {
    const reached = this.settings.qos === 0 ? this.#own.sent : this.#own.acknowledged;
    return (this.outbox?.waiting.size ?? 0) === 0 && reached >= (this.#limit ?? this.published);
  }

  /** While the broker is away, an outbox accepts more. */
  setAway(isAway: boolean): void {
    this.#isAway = isAway;
    this.#changed();
  }

  /** Ends the run's publishing; messages that were accepted are still stored and counted. */
  refuse(error: UserError): void {
    this.refusal ??= error;
    this.enough.abort();
  }

  summary(): SentSummary {
    const { qos, machine } = this.settings;
    const sent = this.#own.sent + this.#earlier.sent;
    const acknowledged = this.#own.acknowledged + this.#earlier.acknowledged;
    return {
      machine,
      sent,
      acknowledged,
      notAcknowledged: qos === 0 ? 0 : sent - acknowledged,
      fromOutbox: this.outbox && this.#earlier.sent,
      inOutbox: this.outbox && this.outbox.waiting.size,
    };
  }

  #publish(connection: Connection, { payload, run, seq }: Payload): void {
    const { readingsTopic: topic, qos, retain } = this.settings;
    this.published += 1;
    const message = { topic, payload, qos, retain, run, seq, sent: this.#countSent };
    this.#track(this.outbox ? connection.publishStored(message) : connection.publish(message), this.#own);
  }

  #track(acknowledged: Promise<void>, counts: Counts): void {
    this.#unacknowledged += 1;
    const settled = () => {
      this.#unacknowledged -= 1;
      this.#changed();
    };
    acknowledged.then(
      () => {
        if (this.settings.qos > 0) counts.acknowledged += 1;
        settled();
      },
      (error: unknown) => {
        if (isUserError(error) && error.code === "outbox-no-room") this.refuse(error);
        settled();
      },
    );
  }

  /** While the broker is away, an outbox takes readings that are due at intervals; messages without a pause wait. */
  #mustWait(): boolean {
    const { qos, interval } = this.settings;
    if (!this.outbox) return this.#unacknowledged >= (qos === 2 ? MAX_INCOMPLETE_QOS2 : MAX_UNACKNOWLEDGED);
    return this.#unacknowledged >= MAX_UNACKNOWLEDGED && (!this.#isAway || interval === 0);
  }

  #nextChange(): Promise<void> {
    return (this.#change ??= new Promise(resolve => (this.#onChange = resolve)));
  }

  #changed(): void {
    this.#change = null;
    this.#onChange();
  }
}

const outboxFull = ({ folder, waiting }: DurableOutbox) =>
  new UserError(
    "outbox-full",
    `the outbox ${folder} is full: it holds ${waiting.size} messages.`,
    "Start again with the same --outbox when the broker is back. These messages are sent first.",
  );
