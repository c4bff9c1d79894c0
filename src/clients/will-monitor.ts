import { type Connection, connect } from "../connection/connect.js";
import { willDelayOf } from "../connection/connection-options.js";
import type { ClientEvent, FailCause, Sink } from "../events/events.js";
import type { PubSettings } from "../config/settings/pub-settings.js";
import { machineTopics } from "../protocol/topics.js";
import { aborted } from "./run-context.js";

/** Milliseconds between the end of the connection and the marker, for a will that should not come to come after all. */
const MARKER_AFTER = 500;
/** Milliseconds past 1.5 × keep alive and the will's delay until a will is given up; Mosquitto sweeps up to 6 s late. */
const PATIENCE = 10_000;
/** What setTimeout takes: 24 days. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** What is told of the witness's own connection: that it can't be made. What comes later, the machine's own tells. */
const TOLD = new Set<ClientEvent["event"]>(["connecting", "reconnecting", "warning"]);

export interface WillVerdict {
  /** true: all wills that were due came; false: not. */
  will: boolean;
  /** When each came, in milliseconds since `watch` was called, ascending. */
  came: number[];
  /** Of a will that should not come: whether the marker did, which proves that nothing came before it. */
  marker: boolean;
  /** Since `watch` was called. */
  milliseconds: number;
  /** The witness was without a connection meanwhile, and may have missed something. */
  interrupted: boolean;
}

export interface WillMonitor {
  /** The URL of the broker that it watches; null: it has no connection yet. */
  readonly broker: string | null;
  /**
   * Waits for the wills from now on; with `graceful`, for the marker that is published once `closed` is kept.
   * @param willTopics of each will that is due its topic, several times where they share one
   * @param keepAlive seconds, of the connections that are to end
   */
  watch(
    cause: FailCause,
    closed: Promise<unknown>,
    willTopics: string[],
    keepAlive: number,
  ): Promise<WillVerdict>;
  end(): Promise<void>;
}

/**
 * A second, clean connection that watches the will's topic, so that the failing client can tell what came of it.
 * @param topicFilter that the wills match
 */
export async function startWillMonitor(
  settings: PubSettings,
  sink: Sink<ClientEvent>,
  signal: AbortSignal,
  topicFilter = settings.willTopic,
): Promise<WillMonitor> {
  const witness = new WillWitness(settings, topicFilter, sink);
  await witness.start(signal);
  return witness;
}

class WillWitness implements WillMonitor {
  readonly #settings: PubSettings;
  readonly #sink: Sink<ClientEvent>;
  readonly #markerTopic: string;
  readonly #markerPayload = crypto.randomUUID();
  #connection: Connection | null = null;
  #interrupted = false;
  #patience: NodeJS.Timeout | undefined;
  #saw: (message: Extract<ClientEvent, { event: "message" }>) => void = () => {};

  constructor(
    settings: PubSettings,
    private readonly topicFilter: string,
    sink: Sink<ClientEvent>,
  ) {
    this.#settings = settings;
    this.#sink = sink;
    this.#markerTopic = machineTopics(settings.namespace, settings.machine).marker;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { connection } = this.#settings;
    const own = { clientId: `${connection.clientId}-witness`, cleanSession: true, keepAlive: 60, will: null };
    this.#connection = await connect({ ...connection, ...own, debug: false }, this.#hear, { signal });
    try {
      const subscribed = this.#subscribe(this.#connection);
      await Promise.race([subscribed, aborted(signal)]);
    } catch (error) {
      this.#connection.destroy();
      throw error;
    }
  }

  get broker(): string | null {
    return this.#connection?.broker ?? null;
  }

  watch(
    cause: FailCause,
    closed: Promise<unknown>,
    willTopics: string[],
    keepAlive: number,
  ): Promise<WillVerdict> {
    const { connection } = this.#settings;
    const { will } = connection;
    const patience = keepAlive * 1500 + willDelayOf(connection) * 1000 + PATIENCE;
    const since = performance.now();
    this.#interrupted = this.#connection?.isConnected !== true;
    return new Promise(resolve => {
      const elapsed = () => Math.round((performance.now() - since) * 10) / 10;
      const came: number[] = [];
      const due = new Map<string, number>();
      for (const topic of willTopics) due.set(topic, (due.get(topic) ?? 0) + 1);
      const decide = (all: boolean, marker: boolean) => {
        clearTimeout(this.#patience);
        resolve({ will: all, came, marker, milliseconds: elapsed(), interrupted: this.#interrupted });
      };
      this.#patience = setTimeout(() => decide(false, false), Math.min(patience, LONGEST_TIMER));
      this.#saw = ({ topic, payload, retain }) => {
        const left = due.get(topic) ?? 0;
        if (left > 0 && payload === will?.payload && !retain) {
          came.push(elapsed());
          due.set(topic, left - 1);
          if (came.length === willTopics.length) decide(true, false);
        } else if (topic === this.#markerTopic && payload === this.#markerPayload) decide(false, true);
      };
      if (cause === "graceful") void closed.then(() => setTimeout(() => void this.#mark(), MARKER_AFTER));
    });
  }

  async end(): Promise<void> {
    clearTimeout(this.#patience);
    await this.#connection?.end();
  }

  readonly #hear: Sink<ClientEvent> = event => {
    if (event.event === "message") this.#saw(event);
    if (event.event === "disconnected") this.#interrupted = true;
    // After a loss: a clean session has no subscriptions any more.
    if (event.event === "connected" && this.#connection)
      this.#subscribe(this.#connection).catch(() => (this.#interrupted = true));
    return !this.#connection && TOLD.has(event.event) ? this.#sink(event) : undefined;
  };

  #subscribe(connection: Connection): Promise<unknown> {
    return connection.subscribe([this.topicFilter, this.#markerTopic], 1);
  }

  async #mark(): Promise<void> {
    const marker = { topic: this.#markerTopic, payload: this.#markerPayload, qos: 1, retain: false } as const;
    await this.#connection?.publish(marker).catch(() => {});
  }
}
