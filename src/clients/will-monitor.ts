import { type Connection, connect } from "../connection/connect.js";
import { willDelayOf } from "../protocol/session-expiry.js";
import type { ClientEvent, FailCause, Sink } from "../events/events.js";
import type { PubSettings } from "../config/settings/pub-settings.js";
import { machineTopics } from "../protocol/topics.js";
import { whenAborted } from "../util/abort.js";

/** Milliseconds from the connection's end to the marker: time for a wrongly published will to arrive before it. */
const MARKER_DELAY_MS = 500;
/** Milliseconds after 1.5 × keep alive and the will delay; Mosquitto sweeps up to 6 s late. */
const WILL_TIMEOUT_MS = 10_000;
/** The largest delay of setTimeout: 24 days. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Events of the monitor's own connection that are reported while it is being made; later the machine's own matter. */
const REPORTED = new Set<ClientEvent["event"]>(["connecting", "reconnecting", "warning"]);

export interface WillVerdict {
  /** All wills that were due came. */
  will: boolean;
  /** When each came, in milliseconds since `watch` was called, ascending. */
  came: number[];
  /** The marker came, which proves that no will came before it. */
  marker: boolean;
  /** Since `watch` was called. */
  milliseconds: number;
  /** The monitor was without a connection meanwhile, and may have missed wills. */
  interrupted: boolean;
}

/**
 * Opens a second, clean connection that watches for wills, so that the failing client can report them.
 * @param topicFilter that the wills match
 */
export async function startWillMonitor(
  settings: PubSettings,
  sink: Sink<ClientEvent>,
  signal: AbortSignal,
  topicFilter = settings.willTopic,
): Promise<WillMonitor> {
  const monitor = new WillMonitor(settings, topicFilter, sink);
  await monitor.start(signal);
  return monitor;
}

export class WillMonitor {
  readonly #markerTopic: string;
  readonly #markerPayload = crypto.randomUUID();
  #connection: Connection | null = null;
  #isInterrupted = false;
  #timer: NodeJS.Timeout | undefined;
  #onMessage: (message: Extract<ClientEvent, { event: "message" }>) => void = () => {};

  constructor(
    private readonly settings: PubSettings,
    private readonly topicFilter: string,
    private readonly sink: Sink<ClientEvent>,
  ) {
    this.#markerTopic = machineTopics(settings.namespace, settings.machine).marker;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { connection } = this.settings;
    const own = { clientId: `${connection.clientId}-witness`, cleanSession: true, keepAlive: 60, will: null };
    this.#connection = await connect({ ...connection, ...own, debug: false }, this.#onEvent, { signal });
    try {
      await Promise.race([this.#subscribe(this.#connection), whenAborted(signal)]);
    } catch (error) {
      this.#connection.destroy();
      throw error;
    }
  }

  /** The URL of the broker that it watches; null: it has no connection yet. */
  get broker(): string | null {
    return this.#connection?.broker ?? null;
  }

  /**
   * Waits for wills from now on; with `graceful`, for the marker that is published after `closed` resolves.
   * @param willTopics the topic of each will that is due, repeated where several share it
   * @param keepAlive seconds, of the connections that end
   */
  watch(
    cause: FailCause,
    closed: Promise<unknown>,
    willTopics: string[],
    keepAlive: number,
  ): Promise<WillVerdict> {
    const { connection } = this.settings;
    const timeout = keepAlive * 1500 + willDelayOf(connection) * 1000 + WILL_TIMEOUT_MS;
    const since = performance.now();
    const elapsed = () => Math.round((performance.now() - since) * 10) / 10;
    const due = new Map<string, number>();
    for (const topic of willTopics) due.set(topic, (due.get(topic) ?? 0) + 1);
    this.#isInterrupted = this.#connection?.isConnected !== true;
    return new Promise(resolve => {
      const came: number[] = [];
      const decide = (will: boolean, marker: boolean) => {
        clearTimeout(this.#timer);
        resolve({ will, came, marker, milliseconds: elapsed(), interrupted: this.#isInterrupted });
      };
      this.#timer = setTimeout(() => decide(false, false), Math.min(timeout, MAX_TIMER_MS));
      this.#onMessage = ({ topic, payload, retain }) => {
        const left = due.get(topic) ?? 0;
        if (left > 0 && payload === connection.will?.payload && !retain) {
          came.push(elapsed());
          due.set(topic, left - 1);
          if (came.length === willTopics.length) decide(true, false);
        } else if (topic === this.#markerTopic && payload === this.#markerPayload) decide(false, true);
      };
      if (cause === "graceful")
        void closed.then(() => setTimeout(() => void this.#publishMarker(), MARKER_DELAY_MS));
    });
  }

  async end(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#connection?.end();
  }

  readonly #onEvent: Sink<ClientEvent> = event => {
    if (event.event === "message") this.#onMessage(event);
    if (event.event === "disconnected") this.#isInterrupted = true;
    // After a loss, the clean session has no subscriptions.
    if (event.event === "connected" && this.#connection)
      this.#subscribe(this.#connection).catch(() => (this.#isInterrupted = true));
    return !this.#connection && REPORTED.has(event.event) ? this.sink(event) : undefined;
  };

  #subscribe(connection: Connection): Promise<unknown> {
    return connection.subscribe([this.topicFilter, this.#markerTopic], 1);
  }

  async #publishMarker(): Promise<void> {
    const marker = { topic: this.#markerTopic, payload: this.#markerPayload, qos: 1, retain: false } as const;
    await this.#connection?.publish(marker).catch(() => {});
  }
}
