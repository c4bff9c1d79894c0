import { urlsOf, alternativesOf } from "../protocol/broker-url.js";
import { connect } from "../connection/connect.js";
import type { ConnectionSettings } from "../config/connection-options.js";
import { ExitCode, isUserError, UserError } from "../util/errors.js";
import type { ClientEvent, Sink } from "../events/events.js";
import { pause } from "../util/abort.js";
import type { RunContext } from "./run-context.js";

/**
 * Ends the stored session at each of the brokers, because not all of them share sessions.
 * @throws UserError of the first that failed
 */
export async function forgetSession(
  connection: Required<ConnectionSettings>,
  retained: string[],
  sink: Sink<ClientEvent>,
  context: RunContext,
): Promise<ExitCode> {
  let exitCode: ExitCode = ExitCode.done;
  let failure: UserError | null = null;
  for (const broker of alternativesOf(connection.broker)) {
    if (context.stop.aborted) return ExitCode.failed;
    try {
      const oneCode = await forget({ ...connection, broker }, retained, sink, context);
      if (oneCode !== ExitCode.done) exitCode = oneCode;
    } catch (error) {
      if (!isUserError(error)) throw error;
      failure ??= error;
    }
  }
  if (failure) throw failure;
  return exitCode;
}

/**
 * Ends the stored session by a CONNECT with clean session 1 [MQTT-3.1.2-6], and clears the topics' retained messages
 * [MQTT-3.3.1-10].
 * @throws UserError `not-acknowledged` when the broker does not acknowledge that within the connect timeout
 */
async function forget(
  connection: Required<ConnectionSettings>,
  retained: string[],
  sink: Sink<ClientEvent>,
  { stop }: RunContext,
): Promise<ExitCode> {
  const session = await connect({ ...connection, cleanSession: true, will: null }, sink, { signal: stop });
  const cleared = Promise.all(
    retained.map(topic => session.publish({ topic, payload: "", qos: 1, retain: true })),
  );
  const answered = new AbortController();
  const timeout = pause(connection.connectTimeout * 1000, AbortSignal.any([stop, answered.signal]));
  const isDone = await Promise.race([cleared.then(() => true), timeout.then(() => false)]);
  answered.abort();
  if (!isDone && !stop.aborted) {
    cleared.catch(() => {});
    session.destroy();
    throw notCleared(connection.connectTimeout);
  }
  await session.end();
  if (isDone) {
    const broker = urlsOf(connection.broker);
    await sink({ event: "forgotten", broker, clientId: connection.clientId, cleared: retained });
  }
  return isDone ? ExitCode.done : ExitCode.failed;
}

const notCleared = (seconds: number) =>
  new UserError(
    "not-acknowledged",
    `the session has ended, but the broker did not acknowledge within ${seconds} s that the retained status is cleared.`,
    "Try again later. The retained status may still be there.",
  );
