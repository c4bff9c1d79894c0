import type { CheckEvent, Sink } from "../../events/events.js";
import { type BrokerAddress, parseAddress, urlOf } from "../../connection/broker-url.js";
import { type OutsideBroker, type Place, probeBroker } from "../run/probe-broker.js";

/** Seconds that each way has; with the start of a process all are over in ten. */
const PATIENCE = 8;

/** The ways that public brokers have, the plainest first; the ports are IANA's, and HiveMQ's for WebSocket over TLS. */
const WAYS = { mqtt: 1883, mqtts: 8883, wss: 8884 };

export interface NamedBroker {
  name: string;
  addresses: string[];
}

type Reachable = Extract<CheckEvent, { event: "reachable" }>;
type Connectivity = Extract<CheckEvent, { event: "connectivity" }>;

/**
 * Tries every way to a broker at once, from this computer, with a client that leaves nothing there. An address that says
 * scheme and port is tried as it stands, in the place of the usual port of its scheme.
 * @param outside the broker, by its URL
 * @param named how the clients' --broker may call it, and the addresses that they then try; null: it has no name
 */
export async function checkConnectivity(
  outside: OutsideBroker,
  named: NamedBroker | null,
  place: Place,
  sink: Sink<CheckEvent>,
): Promise<Connectivity> {
  const given = parseAddress(outside.broker) as BrokerAddress;
  const tried = waysTo(given).map(async broker => {
    const way = await tryOut({ ...outside, broker }, place);
    await sink(way);
    return way;
  });
  const ways = await Promise.all(tried);
  const open = ways.filter(({ reachable }) => reachable).map(({ broker }) => broker);
  const best = named?.addresses.some(address => open.includes(address)) ? named.name : open[0];
  const verdict: Connectivity = {
    event: "connectivity",
    host: given.host,
    reachable: open.length,
    unreachable: ways.length - open.length,
    options: best === undefined ? null : `--broker ${best}`,
  };
  await sink(verdict);
  return verdict;
}

function waysTo(given: BrokerAddress): string[] {
  const usual = Object.entries(WAYS).map(([scheme, port]) => ({ ...given, scheme, port }) as BrokerAddress);
  const path = (scheme: string) => (scheme.startsWith("ws") ? given.path || "/mqtt" : "");
  const ways = usual.map(way => (way.scheme === given.scheme ? given : { ...way, path: path(way.scheme) }));
  return (given.scheme in WAYS ? ways : [...ways, given]).map(urlOf);
}

/** User name and password stay here: a refusal is an answer too, and one of the ways is not encrypted. */
async function tryOut({ broker, environment }: OutsideBroker, place: Place): Promise<Reachable> {
  const certificates = Object.entries(environment).filter(([name]) => !/USERNAME|PASSWORD/.test(name));
  const known = { broker, environment: Object.fromEntries(certificates) };
  const said = await probeBroker(known, place, ["--forget"], PATIENCE);
  const answer = said.findIndex(({ event }) => event === "connected" || event === "refused");
  const attempt = said.slice(0, answer + 1).findLast(({ event }) => event === "connecting");
  const refused = said.find(event => event.event === "refused");
  const trouble = said.find(event => event.event === "error");
  return {
    event: "reachable",
    broker,
    reachable: answer >= 0,
    milliseconds: attempt ? Date.parse(said[answer]?.time ?? "") - Date.parse(attempt.time) : null,
    reason: refused?.reason ?? (answer < 0 ? (trouble?.message ?? null) : null),
  };
}
