import type { Connection } from "../connection/connect.js";
import { ExitCode } from "../errors.js";
import type { ClientEvent, FailCause, Sink } from "../events.js";
import type { PubSettings } from "../settings/pub.js";
import { machineTopics } from "../topics.js";
import { type Control, pause } from "./control.js";
import type { Witness } from "./witness.js";

/** Milliseconds that the broker's closing may come after its will. */
const CLOSE_LIMIT = 1000;

/**
 * Ends the connection by the cause, and tells what a witness saw of the will. Done when the will came, or, for
 * `graceful`, when it is proved that it did not; failed otherwise. A crash tells nothing more.
 */
export async function failOnPurpose(
  cause: FailCause,
  settings: PubSettings,
  connection: Connection,
  witness: Witness | null,
  { sink, control }: { sink: Sink<ClientEvent>; control: Control },
): Promise<ExitCode> {
  const { keepAlive, will } = settings.connection;
  if (will && will.topic !== machineTopics(settings.namespace, settings.machine).status)
    warnShared(will.topic, sink);
  const deadline = cause === "keep-alive" ? new Date(Date.now() + keepAlive * 1500).toISOString() : null;
  sink({ event: "failing", cause, keepAliveDeadline: deadline });
  if (cause === "crash") return control.crash();
  const verdict = witness?.watch(cause, connection.closed);
  if (cause === "graceful") await connection.end();
  else connection.drop(cause);
  const { will: came = false, marker = false, milliseconds = 0 } = (await verdict) ?? {};
  sink({ event: "witnessed", cause, will: came, milliseconds });
  await closedByBroker(connection);
  connection.destroy();
  const asItShould = cause === "graceful" ? marker && !came : came;
  return asItShould ? ExitCode.done : ExitCode.failed;
}

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
