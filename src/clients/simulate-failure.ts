import { isSameBroker } from "../connection/broker-url.js";
import type { Connection } from "../connection/connect.js";
import { ExitCode, UserError } from "../util/errors.js";
import type { ClientEvent, FailCause, Sink } from "../events/events.js";
import type { PubSettings } from "../config/settings/pub-settings.js";
import { machineTopics } from "../protocol/topics.js";
import { aborted, type RunContext, pause } from "./run-context.js";
import { warnLeftovers } from "./leftover-warning.js";
import type { WillMonitor } from "./will-monitor.js";

/** Machines that vanish together. */
export interface FailureBarrier {
  /** Called when one is ready to; kept when all are. */
  allReady(): Promise<void>;
  /** Kept when what became of their wills has been seen. */
  seen: Promise<void>;
}

interface Failing {
  sink: Sink<ClientEvent>;
  control: RunContext;
  announceStop: () => void;
}

/** Milliseconds that the broker's closing may come after its will. */
const CLOSE_LIMIT = 1000;

/**
 * Ends the connection by the cause, and tells what a witness saw of the will. Done when the will came, or, for
 * `graceful`, when it is proved that it did not; failed otherwise. A crash tells nothing more.
 */
export async function simulateFailure(
  cause: FailCause,
  settings: PubSettings,
  connection: Connection,
  witness: WillMonitor | null,
  { sink, control, announceStop }: Failing,
): Promise<ExitCode> {
  if (!connection.isConnected) throw nothingToLose();
  const { broker } = connection;
  const { will } = settings.connection;
  if (will && will.topic !== machineTopics(settings.namespace, settings.machine).status)
    warnShared(will.topic, sink);
  sink({ event: "failing", cause, keepAliveDeadline: keepAliveDeadline(cause, connection.keepAlive) });
  if (cause === "crash") {
    warnLeftovers(settings, sink);
    return control.crash();
  }
  const watching = witness?.watch(cause, connection.closed, [settings.willTopic], connection.keepAlive);
  if (cause === "graceful") {
    announceStop();
    await connection.end();
  } else connection.drop(cause);
  // A Ctrl-C may have been what made it fail; a further one ends the waiting.
  const leaving = control.stop.aborted ? [] : [aborted(control.stop).then(() => null)];
  const verdict = await Promise.race([watching ?? null, ...leaving]);
  if (!verdict) throw leftTheWitness();
  const { will: came, marker, milliseconds } = verdict;
  if (!came && !marker && verdict.interrupted) throw witnessInterrupted();
  if (!came && witness?.broker && !isSameBroker(witness.broker, broker))
    throw witnessElsewhere(witness.broker, broker);
  sink({ event: "witnessed", cause, will: came, milliseconds });
  await closedByBroker(connection);
  connection.destroy();
  const asItShould = cause === "graceful" ? marker && !came : came;
  return asItShould ? ExitCode.done : ExitCode.failed;
}

/** When 1.5 × keep alive (in seconds) will have passed; null where nothing waits for that. */
export const keepAliveDeadline = (cause: FailCause, keepAlive: number): string | null =>
  cause === "keep-alive" ? new Date(Date.now() + keepAlive * 1500).toISOString() : null;

/** Ends the connection by the cause, together with the others'; what becomes of the wills is seen from elsewhere. */
export async function simulateFailureTogether(
  cause: FailCause,
  connection: Connection,
  crowd: FailureBarrier,
  announceStop: () => void,
): Promise<ExitCode> {
  await crowd.allReady();
  if (cause === "graceful") {
    announceStop();
    await connection.end();
  } else if (cause !== "crash") connection.drop(cause); // that one ends this process
  await crowd.seen;
  connection.destroy();
  return ExitCode.done;
}

/** What became of the will is still to be seen, by others. */
const ASK_ANOTHER = "A subscriber sees what became of the will: npx sub-lwt --until offline";

const nothingToLose = () =>
  new UserError(
    "not-connected",
    "there is no connection to lose just now: the broker is away.",
    "Start the broker, then try again: npx lwt-broker",
  );

const leftTheWitness = () =>
  new UserError("stopped", "stopped before the witness could tell what became of the will.", ASK_ANOTHER);

const witnessInterrupted = () =>
  new UserError(
    "witness-interrupted",
    "the witness lost its own connection meanwhile: it can't tell what became of the will.",
    ASK_ANOTHER,
  );

/** Only brokers that share what is published would have shown it a will. */
const witnessElsewhere = (there: string, here: string) =>
  new UserError(
    "witness-elsewhere",
    `the witness saw no will at ${there}, but this machine was connected to ${here}: what that broker did can't be told from there.`,
    `Name one broker only: --broker ${here}`,
  );

/** The will may be here before the news that the broker has closed; a broker that doesn't close is not waited for. */
async function closedByBroker({ closed }: Connection): Promise<void> {
  const known = new AbortController();
  void closed.then(() => known.abort());
  await pause(CLOSE_LIMIT, known.signal);
}

function warnShared(topic: string, sink: Sink<ClientEvent>): void {
  sink({
    event: "warning",
    code: "shared-will-topic",
    message: `the witness can't tell whose will it sees on ${topic}: other machines may use that topic too.`,
    hint: "Leave --will-topic out to have one for this machine alone.",
  });
}
