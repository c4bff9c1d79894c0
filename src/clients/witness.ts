import { randomUUID } from "node:crypto";
import { connect } from "../connection/connect.js";
import type { ClientEvent, FailCause, Sink } from "../events.js";
import type { PubSettings } from "../settings/pub.js";
import { machineTopics } from "../topics.js";

/** Milliseconds between the end of the connection and the marker, for a will that should not come to come after all. */
const MARKER_AFTER = 500;
/** Milliseconds past 1.5 × keep alive until a will is given up; Mosquitto sweeps up to 6 s late. */
const PATIENCE = 10_000;

interface Verdict {
  /** true: the will came; false: it did not. */
  will: boolean;
  /** Since `watch` was called. */
  milliseconds: number;
  /** Of a will that should not come: whether the marker did, which proves that nothing came before it. */
  marker: boolean;
}

export interface Witness {
  /** Waits for the will from now on; with `graceful`, for the marker that is published once `closed` is kept. */
  watch(cause: FailCause, closed: Promise<unknown>): Promise<Verdict>;
  end(): Promise<void>;
}

/** What is told of the witness's own connection: that it can't be made. */
const TOLD = new Set<ClientEvent["event"]>(["connecting", "reconnecting", "warning"]);

/** A second, clean connection that watches the will's topic, so that the failing client can tell what came of it. */
export async function startWitness(
  { connection, namespace, machine }: PubSettings,
  sink: Sink<ClientEvent>,
  signal: AbortSignal,
): Promise<Witness> {
  const { will, clientId, keepAlive } = connection;
  const { marker } = machineTopics(namespace, machine);
  const markerPayload = randomUUID();
  let seen: (message: Extract<ClientEvent, { event: "message" }>) => void = () => {};
  const witness = await connect(
    {
      ...connection,
      clientId: `${clientId}-witness`,
      cleanSession: true,
      keepAlive: 60,
      will: null,
      debug: false,
    },
    event => {
      if (event.event === "message") seen(event);
      return TOLD.has(event.event) ? sink(event) : undefined;
    },
    { signal },
  );
  await witness.subscribe(will ? [will.topic, marker] : [marker], 1);

  const watch = (cause: FailCause, closed: Promise<unknown>) =>
    new Promise<Verdict>(resolve => {
      const since = performance.now();
      const decide = (will: boolean, marker: boolean) => {
        clearTimeout(patience);
        resolve({ will, marker, milliseconds: Math.round((performance.now() - since) * 10) / 10 });
      };
      const patience = setTimeout(() => decide(false, false), keepAlive * 1500 + PATIENCE);
      seen = ({ topic, payload, retain }) => {
        if (topic === will?.topic && payload === will.payload && !retain) decide(true, false);
        else if (topic === marker && payload === markerPayload) decide(false, true);
      };
      if (cause === "graceful") void closed.then(() => setTimeout(() => void publishMarker(), MARKER_AFTER));
    });
  const publishMarker = () =>
    witness.publish({ topic: marker, payload: markerPayload, qos: 1, retain: false }).catch(() => {});
  return { watch, end: () => witness.end() };
}
