import type { Delivery, EndCause, FailCause, MachineState, ProcessEvent, QoS } from "../../events/events.js";
import { STATUS_PAYLOAD } from "../../domain/machine-status.js";
import { SLIDE_WILL_TOPIC } from "../../protocol/topics.js";

/** How much a text asks to be noticed. */
export type Tone = "plain" | "quiet" | "good" | "bad" | "notice";

/** What an event becomes on a ladder; processes go by their names in the lesson. */
export type Mark =
  /** The lifeline begins. */
  | { draw: "open"; at: string }
  /** A packet; of the labels, the first that fits. */
  | { draw: "arrow"; from: string; to: string; labels: string[]; note?: string; tone?: Tone }
  | { draw: "note"; at: string; text: string; tone?: Tone }
  /** The connection dies, and the lifeline is broken from here on. */
  | { draw: "break"; at: string; text: string }
  /** Between it and the broker nothing passes any more, or again. */
  | { draw: "cable"; at: string; state: "cut" | "failed" | "mended" }
  /** The connection ends as it should. */
  | { draw: "close"; at: string };

/** What has to be known beside the event. */
export interface Scene {
  broker: string;
  /** The process that connected with that client identifier, if it is one of the lesson's. */
  clientOf: (clientId: string) => string | undefined;
  /** The process whose connection with that client identifier another one has taken over. */
  evictedFrom: (clientId: string) => string | undefined;
  isOpen: (process: string) => boolean;
  /** Of the publication that is being acknowledged. */
  qosOf: (process: string, packetId: number) => QoS | undefined;
}

type Name = ProcessEvent["event"];
type Drawing<E> = (event: E, scene: Scene) => Mark[];

const FAILS: Record<FailCause, (at: string, broker: string) => Mark[]> = {
  network: at => [{ draw: "break", at, text: "connection reset" }],
  "no-disconnect": at => [{ draw: "break", at, text: "closes, no DISCONNECT" }],
  crash: at => [{ draw: "break", at, text: "crashes" }],
  "keep-alive": at => [{ draw: "note", at, text: "falls silent", tone: "bad" }],
  "protocol-error": (from, to) => [{ draw: "arrow", from, to, labels: ["forbidden packet"], tone: "bad" }],
  "disconnect-with-will": (from, to) => [
    { draw: "arrow", from, to, labels: ["DISCONNECT 0x04"], tone: "bad" },
  ],
  graceful: () => [],
};

/** What the broker saw of an end without DISCONNECT. */
const ENDS: Record<Exclude<EndCause, "graceful">, string> = {
  "connection-closed": "no DISCONNECT came",
  "network-error": "lost, without DISCONNECT",
  "keep-alive-timeout": "silent for 1.5 x keep alive",
  "protocol-error": "broke the protocol",
  "taken-over": "another client has its ID",
  limit: "went past a limit",
  "not-authorized": "has no right to that",
  "broker-stopped": "the broker stops",
};

const DELIVERY: Record<Delivery, Tone> = {
  live: "plain",
  retained: "notice",
  queued: "notice",
  redelivered: "notice",
};
const STATE: Record<MachineState, Tone> = { online: "good", offline: "bad", stopped: "notice" };
const ACKNOWLEDGMENT = { 0: "", 1: "PUBACK", 2: "PUBCOMP" } as const;
const STATUS_PAYLOADS = new Set<string | null>(Object.values(STATUS_PAYLOAD));

const DRAWINGS: { [Each in Name]?: Drawing<Extract<ProcessEvent, { event: Each }>> } = {
  connecting: ({ process }, { broker }) => [
    { draw: "open", at: process },
    { draw: "arrow", from: process, to: broker, labels: ["CONNECT"] },
  ],
  connected: ({ process, sessionPresent }, { broker }) => [
    arrowTo(process, broker, sessionPresent ? ["CONNACK, session present", "CONNACK"] : ["CONNACK"]),
  ],
  refused: ({ process, reason }, { broker }) => [
    { ...arrowTo(process, broker, ["CONNACK: refused"]), tone: "bad" },
    { draw: "note", at: process, text: reason, tone: "bad" },
  ],
  // The broker's own event of that name tells the same from the other side.
  subscribed: (event, { broker }) =>
    "grantedQos" in event ? [arrowFrom(event.process, broker, [`SUB ${event.topicFilter}`])] : [],
  published: ({ process, ...publish }, { broker }) => [arrowFrom(process, broker, publishLabels(publish))],
  acknowledged: ({ process, packetId }, { broker, qosOf }) => {
    if (packetId === null) return [];
    const name = ACKNOWLEDGMENT[qosOf(process, packetId) ?? 1];
    return [arrowTo(process, broker, [`${name} #${packetId}`, name])];
  },
  // A status is drawn by the `status` event, which comes next.
  message: (event, { broker }) => {
    const { process, payload, payloadBase64, delivery } = event;
    if (tellsStatus(event)) return [];
    const labels = publishLabels({ ...event, payload: payload ?? payloadBase64 ?? "" });
    return [{ ...arrowTo(process, broker, labels), note: delivery.toUpperCase(), tone: DELIVERY[delivery] }];
  },
  status: ({ process, state, payload, delivery }, { broker }) => {
    const note = delivery === "live" ? state.toUpperCase() : `${state.toUpperCase()} ${delivery}`;
    return [{ ...arrowTo(process, broker, [`"${payload}"`, payload]), note, tone: STATE[state] }];
  },
  failing: ({ process, cause }, { broker }) => FAILS[cause](process, broker),
  disconnected: ({ process, graceful, reason, reasonCode }, { broker, isOpen }) => {
    if (!isOpen(process)) return [];
    if (graceful) return farewell(process, broker);
    const said = reasonCode === null ? [] : [disconnectFrom(broker, process, reasonCode)];
    return [...said, { draw: "break", at: process, text: reason }];
  },
  "client-disconnected": ({ clientId, cause }, { broker, clientOf, evictedFrom, isOpen }) => {
    const at = (cause === "taken-over" && evictedFrom(clientId)) || clientOf(clientId);
    if (at === undefined) return [];
    if (cause === "graceful") return isOpen(at) ? farewell(at, broker) : [];
    if (isOpen(at)) return [{ draw: "break", at, text: ENDS[cause] }];
    return [{ draw: "note", at: broker, text: ENDS[cause] }];
  },
  link: ({ process, state }) => [{ draw: "cable", at: process, state }],
  "will-stored": ({ clientId }, scene) => ofClient(clientId, scene, "keeps the will"),
  "will-published": ({ clientId }, scene) => ofClient(clientId, scene, "will SENT", "bad"),
  "will-discarded": ({ clientId }, scene) => ofClient(clientId, scene, "will thrown away", "good"),
  "message-retained": (_, { broker }) => [{ draw: "note", at: broker, text: "retained", tone: "quiet" }],
  "retained-cleared": (_, { broker }) => [{ draw: "note", at: broker, text: "retained one cleared" }],
  "message-queued": ({ clientId, queued }, scene) =>
    ofClient(clientId, scene, `${queued} queued for ${scene.clientOf(clientId)}`, "notice"),
  "message-dropped": ({ clientId }, scene) => ofClient(clientId, scene, "a queued one dropped", "bad"),
};

/** What to draw of an event; nothing for one that the other side of the packet tells too. */
export function marksOf(event: ProcessEvent, scene: Scene): Mark[] {
  const drawing = DRAWINGS[event.event] as Drawing<ProcessEvent> | undefined;
  return drawing?.(event, scene) ?? [];
}

const arrowFrom = (from: string, to: string, labels: string[]) =>
  ({ draw: "arrow", from, to, labels }) as const;
const arrowTo = (to: string, from: string, labels: string[]) =>
  ({ draw: "arrow", from, to, labels }) as const;

const disconnectFrom = (broker: string, at: string, reasonCode: number): Mark => ({
  ...arrowTo(at, broker, [`DISCONNECT 0x${reasonCode.toString(16).toUpperCase().padStart(2, "0")}`]),
  tone: "bad",
});

const farewell = (at: string, broker: string): Mark[] => [
  arrowFrom(at, broker, ["DISCONNECT"]),
  { draw: "close", at },
];

type Publish = Pick<
  Extract<ProcessEvent, { event: "message" }>,
  "qos" | "retain" | "dup" | "packetId" | "seq"
>;

/** Characters of a payload that can stand for its message. */
const SHORT = 30;

/** A reading by its number, anything else by its payload if that is short; then what room there is for. */
function publishLabels({
  payload,
  seq,
  qos,
  retain,
  dup,
  packetId,
}: Publish & { payload: string }): string[] {
  const isShort = payload.length <= SHORT;
  const what = seq !== null ? `PUBLISH ${seq}` : isShort ? `"${payload}"` : "PUBLISH";
  const id = packetId === null ? "" : ` #${packetId}`;
  const again = dup ? ", DUP" : "";
  return [
    ...(retain ? [`${what}${id}, QoS ${qos}, retain${again}`] : []),
    `${what}${id}, QoS ${qos}${again}`,
    `${what}${id}${again}`,
    `${what}${again}`,
    seq === null && isShort ? payload : what,
  ];
}

/** Only of the lesson's clients: a witness has no lifeline of its own. */
const ofClient = (clientId: string, { broker, clientOf }: Scene, text: string, tone?: Tone): Mark[] =>
  clientOf(clientId) === undefined ? [] : [{ draw: "note", at: broker, text, ...(tone && { tone }) }];

const tellsStatus = ({ topic, payload, machine }: Extract<ProcessEvent, { event: "message" }>): boolean =>
  STATUS_PAYLOADS.has(payload) &&
  (topic === SLIDE_WILL_TOPIC || (machine !== null && topic.endsWith("/Status")));
