import { urlsOf, alternativesOf } from "../connection/broker-url.js";
import { connect } from "../connection/connect.js";
import type { ConnectionSettings } from "../connection/connection-options.js";
import { ExitCode, isUserError, UserError } from "../util/errors.js";
import type { ClientEvent, Sink } from "../events/events.js";
import { type RunContext, pause } from "./run-context.js";

/** At each of the brokers: those that do not share their sessions have one each. @throws UserError of the first that failed */
export async function forgetSession(
  connection: Required<ConnectionSettings>,
  retained: string[],
  sink: Sink<ClientEvent>,
  control: RunContext,
): Promise<ExitCode> {
  let exitCode: ExitCode = ExitCode.done;
  let failure: UserError | null = null;
  for (const broker of alternativesOf(connection.broker)) {
    if (control.stop.aborted) return ExitCode.failed;
    try {
      const one = await forget({ ...connection, broker }, retained, sink, control);
      if (one !== ExitCode.done) exitCode = one;
    } catch (error) {
      if (!isUserError(error)) throw error;
      failure ??= error;
    }
  }
  if (failure) throw failure;
  return exitCode;
}

/**
 * Ends the stored session: a CONNECT with clean session 1 discards it [MQTT-3.1.2-6], and leaves none behind. Then
 * clears what is retained on the topics [MQTT-3.3.1-10].
 * @throws UserError `not-acknowledged` when the broker does not say within the connect timeout that they are
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
  const limit = pause(connection.connectTimeout * 1000, AbortSignal.any([stop, answered.signal]));
  const done = await Promise.race([cleared.then(() => true), limit.then(() => false)]);
  answered.abort();
  if (!done && !stop.aborted) {
    cleared.catch(() => {});
    session.destroy();
    throw notCleared(connection.connectTimeout);
  }
  await session.end();
  if (done) {
    const broker = urlsOf(connection.broker);
    await sink({ event: "forgotten", broker, clientId: connection.clientId, cleared: retained });
  }
  return done ? ExitCode.done : ExitCode.failed;
}

const notCleared = (seconds: number) =>
  new UserError(
    "not-acknowledged",
    `the session was ended, but the broker has not acknowledged within ${seconds} s that what is retained is cleared.`,
    "Try again later: what is retained may still be there.",
  );
