import { connect } from "../connection/connect.js";
import type { ConnectionSettings } from "../connection/settings.js";
import { ExitCode } from "../errors.js";
import type { ClientEvent, Sink } from "../events.js";
import { aborted, type Control } from "./control.js";

/**
 * Ends the stored session: a CONNECT with clean session 1 discards it [MQTT-3.1.2-6], and leaves none behind. Then
 * clears what is retained on the topics [MQTT-3.3.1-10].
 */
export async function forget(
  connection: ConnectionSettings,
  retained: string[],
  sink: Sink<ClientEvent>,
  { stop }: Control,
): Promise<ExitCode> {
  const session = await connect({ ...connection, cleanSession: true, will: null }, sink, { signal: stop });
  const cleared = Promise.all(
    retained.map(topic => session.publish({ topic, payload: "", qos: 1, retain: true })),
  );
  const done = await Promise.race([cleared.then(() => true), aborted(stop).then(() => false)]);
  await session.end();
  if (done) await sink({ event: "forgotten", clientId: connection.clientId, cleared: retained });
  return done ? ExitCode.done : ExitCode.failed;
}
