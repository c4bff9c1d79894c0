import { isSameBroker } from "../protocol/broker-url.js";
import type { Connection } from "../connection/connect.js";
import { ExitCode, UserError } from "../util/errors.js";
import type { ClientEvent, FailCause, Sink } from "../events/events.js";
import type { PubSettings } from "../config/settings/pub-settings.js";
import { machineTopics } from "../protocol/topics.js";
import { pause, unlessAborted } from "../util/abort.js";
import type { RunContext } from "./run-context.js";
import { warnLeftovers } from "./leftover-warning.js";
import type { WillMonitor } from "./will-monitor.js";

/** Machines that fail at the same moment. */
export interface FailureBarrier {
  /** Counts one machine as ready; resolves when all are. */
  allReady(): Promise<void>;
  /** Resolves when the fate of their wills is known. */
  seen: Promise<void>;
}

interface FailingClient {
  settings: PubSettings;
  connection: Connection;
  /** Null with `crash`, after which this process reports nothing. */
  monitor: WillMonitor | null;
  sink: Sink<ClientEvent>;
  context: RunContext;
  announceStop: () => void;
}

/** Milliseconds for the broker to close the connection after it has published the will. */
const CLOSE_TIMEOUT_MS = 1000;

/**
 * Ends the connection by the cause, and reports whether the monitor saw the will.
 * Resolves with `done` when the will came, or, for `graceful`, when it is proved that it did not; otherwise with `failed`.
 */
export async function simulateFailure(
  cause: FailCause,
  { settings, connection, monitor, sink, context, announceStop }: FailingClient,
): Promise<ExitCode> {
  if (!connection.isConnected) throw notConnected();
  const { broker, keepAlive } = connection;
  const { will } = settings.connection;
  if (will && will.topic !== machineTopics(settings.namespace, settings.machine).status)
    warnShared(will.topic, sink);
  sink({ event: "failing", cause, keepAliveDeadline: keepAliveDeadline(cause, keepAlive) });
  if (cause === "crash") {
    warnLeftovers(settings, sink);
    return context.crash();
  }
  const watched = monitor?.watch(cause, connection.closed, [settings.willTopic], keepAlive);
  await endBy(cause, connection, announceStop);
  const verdict = await unlessLeft(watched, context.stop);
  if (!verdict) throw leftEarly();
  const { will: hasCome, marker, milliseconds } = verdict;
  if (!hasCome && !marker && verdict.interrupted) throw monitorInterrupted();
  if (!hasCome && monitor?.broker && !isSameBroker(monitor.broker, broker))
    throw monitorElsewhere(monitor.broker, broker);
  sink({ event: "witnessed", cause, will: hasCome, milliseconds });
  await closedByBroker(connection);
  connection.destroy();
  return (cause === "graceful" ? marker && !hasCome : hasCome) ? ExitCode.done : ExitCode.failed;
}

/** Ends the connection by the cause, together with the others'; the fleet's monitor sees the wills. */
export async function simulateFailureTogether(
  cause: FailCause,
  connection: Connection,
  barrier: FailureBarrier,
  announceStop: () => void,
): Promise<ExitCode> {
  await barrier.allReady();
  await endBy(cause, connection, announceStop);
  await barrier.seen;
  connection.destroy();
  return ExitCode.done;
}

/** A crash ends the process, not one connection. */
async function endBy(cause: FailCause, connection: Connection, announceStop: () => void): Promise<void> {
  if (cause === "graceful") {
    announceStop();
    await connection.end();
  } else if (cause !== "crash") connection.drop(cause);
}

/** Resolves with null on a Ctrl-C; one that came before may have been the signal to fail, and does not count. */
export const unlessLeft = <T>(watched: Promise<T> | undefined, stop: AbortSignal): Promise<T | null> =>
  !watched || stop.aborted ? Promise.resolve(watched ?? null) : unlessAborted(watched, stop);

/** The time after 1.5 × keep alive (in seconds); null for causes that the broker notices without it. */
export const keepAliveDeadline = (cause: FailCause, keepAlive: number): string | null =>
  cause === "keep-alive" ? new Date(Date.now() + keepAlive * 1500).toISOString() : null;

const ASK_ANOTHER = "To see the will with a subscriber: npx sub-lwt --until offline";

const notConnected = () =>
  new UserError(
    "not-connected",
    "cannot fail now: there is no connection to the broker.",
    "Start the broker, then try again: npx lwt-broker",
  );

const leftEarly = () =>
  new UserError("stopped", "stopped before the witness knew whether the will was published.", ASK_ANOTHER);

const monitorInterrupted = () =>
  new UserError(
    "witness-interrupted",
    "the witness lost its own connection, so it does not know whether the will was published.",
    ASK_ANOTHER,
  );

/** Brokers that share publications would have shown it the will. */
const monitorElsewhere = (there: string, here: string) =>
  new UserError(
    "witness-elsewhere",
    `the witness received no will at ${there}, but this machine was connected to ${here}. That broker may have published it.`,
    `Name one broker only: --broker ${here}`,
  );

/** The will may arrive before the broker's FIN; some brokers never close. */
async function closedByBroker({ closed }: Connection): Promise<void> {
  const isClosed = new AbortController();
  void closed.then(() => isClosed.abort());
  await pause(CLOSE_TIMEOUT_MS, isClosed.signal);
}

function warnShared(topic: string, sink: Sink<ClientEvent>): void {
  sink({
    event: "warning",
    code: "shared-will-topic",
    message: `a will on ${topic} may be another machine's: several machines may use that topic.`,
    hint: "Omit --will-topic to use a topic for this machine alone.",
  });
}
