import { type BrokerAddress, parseAddress, urlOf } from "../../protocol/broker-url.js";
import type { CheckEvent, Sink } from "../../events/events.js";
import { type ExternalBroker, type ProbeContext, probeBroker } from "../run/probe-broker.js";

/** With the start of a process, each address has an answer or an error within ten seconds. */
const CONNECT_TIMEOUT_SECONDS = 8;

/** Ports of public brokers, the plainest scheme first: IANA's, and HiveMQ's for WebSocket over TLS. */
const PORTS = { mqtt: 1883, mqtts: 8883, wss: 8884 };

/** A name that the clients' --broker accepts, and the addresses that the clients then try. */
export interface NamedBroker {
  name: string;
  addresses: string[];
}

type Reachable = Extract<CheckEvent, { event: "reachable" }>;
type Connectivity = Extract<CheckEvent, { event: "connectivity" }>;

/**
 * Tries all ways to a broker at once, with clients that leave no session. A scheme and port that the broker's URL gives
 * replace the usual port of that scheme.
 * @param external a broker by its URL
 * @param named null: the broker has no name
 */
export async function checkConnectivity(
  external: ExternalBroker,
  named: NamedBroker | null,
  context: ProbeContext,
  sink: Sink<CheckEvent>,
): Promise<Connectivity> {
  const given = parseAddress(external.broker) as BrokerAddress;
  const tried = urlsToTry(given).map(async broker => {
    const result = await tryUrl({ ...external, broker }, context);
    await sink(result);
    return result;
  });
  const results = await Promise.all(tried);
  const reached = results.filter(({ reachable }) => reachable).map(({ broker }) => broker);
  const best = named?.addresses.some(address => reached.includes(address)) ? named.name : reached[0];
  const verdict: Connectivity = {
    event: "connectivity",
    host: given.host,
    reachable: reached.length,
    unreachable: results.length - reached.length,
    options: best === undefined ? null : `--broker ${best}`,
  };
  await sink(verdict);
  return verdict;
}

function urlsToTry(given: BrokerAddress): string[] {
  const usual = Object.entries(PORTS).map(([scheme, port]) => ({ ...given, scheme, port }) as BrokerAddress);
  const path = (scheme: string) => (scheme.startsWith("ws") ? given.path || "/mqtt" : "");
  const addresses = usual.map(each =>
    each.scheme === given.scheme ? given : { ...each, path: path(each.scheme) },
  );
  return (given.scheme in PORTS ? addresses : [...addresses, given]).map(urlOf);
}

/** Connects without user name and password, since one of the ways is not encrypted. A refusal is an answer too. */
async function tryUrl({ broker, environment }: ExternalBroker, context: ProbeContext): Promise<Reachable> {
  const certificates = Object.entries(environment).filter(([name]) => !/USERNAME|PASSWORD/.test(name));
  const target = { broker, environment: Object.fromEntries(certificates) };
  const events = await probeBroker(target, context, ["--forget"], CONNECT_TIMEOUT_SECONDS);
  const answer = events.findIndex(({ event }) => event === "connected" || event === "refused");
  const attempt = events.slice(0, answer + 1).findLast(({ event }) => event === "connecting");
  const refused = events.find(event => event.event === "refused");
  const error = events.find(event => event.event === "error");
  return {
    event: "reachable",
    broker,
    reachable: answer >= 0,
    milliseconds: attempt ? Date.parse(events[answer]?.time ?? "") - Date.parse(attempt.time) : null,
    reason: refused?.reason ?? (answer < 0 ? (error?.message ?? null) : null),
  };
}
