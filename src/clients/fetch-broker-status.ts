import { isLocal, parseAddress } from "../protocol/broker-url.js";
import { connect } from "../connection/connect.js";
import { ExitCode, errorEvent, exitCodeOf, UserError } from "../util/errors.js";
import type { BrokerEvent, BrokerStatus, ClientEvent, Sink } from "../events/events.js";
import { BROKER_STATUS_TOPIC } from "../protocol/topics.js";
import { pause, whenAborted } from "../util/abort.js";
import type { RunContext } from "./run-context.js";

/** Milliseconds for the answer; other brokers never answer. */
const ANSWER_TIMEOUT_MS = 2000;

interface BrokerLogin {
  /** Its URL. */
  broker: string;
  username?: string;
  password?: string;
}

/** Asks a running lwt-broker for its status, and emits it. */
export async function fetchBrokerStatus(
  settings: BrokerLogin,
  sink: Sink<BrokerEvent>,
  context: RunContext,
): Promise<ExitCode> {
  try {
    const status = await request(settings, context);
    if (!status) return ExitCode.failed;
    await sink({ event: "broker-status", ...status });
    return ExitCode.done;
  } catch (error) {
    const failure = errorEvent(error);
    await sink({ ...failure, hint: statusHint(failure, settings.broker) });
    return exitCodeOf(error);
  }
}

async function request(login: BrokerLogin, { stop }: RunContext): Promise<BrokerStatus | null> {
  const answered = new AbortController();
  let status: BrokerStatus | null = null;
  const onEvent = (event: ClientEvent) => {
    if (event.event !== "message" || event.topic !== BROKER_STATUS_TOPIC || event.payload === null) return;
    status = JSON.parse(event.payload) as BrokerStatus;
    answered.abort();
  };
  const clientId = `status-${crypto.randomUUID().slice(0, 8)}`;
  const settings = { ...login, clientId, cleanSession: true, connectTimeout: 1 };
  const connection = await connect(settings, onEvent, { signal: stop });
  try {
    await connection.subscribe([BROKER_STATUS_TOPIC], 1);
    await Promise.race([whenAborted(stop), pause(ANSWER_TIMEOUT_MS, answered.signal)]);
  } finally {
    await connection.end();
  }
  if (!status && !stop.aborted) throw noStatus(login.broker);
  return status;
}

/** Returns a hint without the options of the clients, which lwt-broker does not have. */
function statusHint({ code, hint }: { code: string; hint: string }, broker: string): string {
  if (code === "unexpected" || code === "no-status" || code === "stopped") return hint;
  if (code === "refused") return "Log in: set LWT_USERNAME and LWT_PASSWORD.";
  if (code === "filter-refused") return RIGHTS_HINT;
  const address = parseAddress(broker);
  if (code === "no-broker" && address && isLocal(address.host)) return hint;
  return "Name the address of the broker: lwt-broker status --broker HOST:PORT";
}

const RIGHTS_HINT =
  "Ask lwt-broker, on its own computer. With --users, the user needs the right to subscribe to $SYS/#.";

const noStatus = (broker: string) =>
  new UserError("no-status", `the broker at ${broker} does not report what it stores.`, RIGHTS_HINT);
