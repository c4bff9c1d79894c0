import type { Delivery, EndCause, FailCause, MachineState, ProcessEvent, QoS } from "../../events/events.js";
import { STATUS_PAYLOAD } from "../../domain/machine-status.js";
import { SLIDE_WILL_TOPIC } from "../../protocol/topics.js";

export type Emphasis = "plain" | "quiet" | "good" | "bad" | "notice";

/** A part of the diagram. Processes go by their names in the lesson. */
export type DiagramElement =
  | { draw: "open"; at: string }
  /** A packet. The first label that fits is drawn. */
  | { draw: "arrow"; from: string; to: string; labels: string[]; note?: string; emphasis?: Emphasis }
  | { draw: "note"; at: string; text: string; emphasis?: Emphasis }
  /** The connection is lost: the lifeline is broken from here on. */
  | { draw: "break"; at: string; text: string }
  /** The link between the process and the broker. */
  | { draw: "link"; at: string; state: "cut" | "failed" | "mended" }
  /** The connection ends gracefully. */
  | { draw: "close"; at: string };

/** State of the lesson that an element depends on. */
export interface DiagramContext {
  broker: string;
  /** The process that connected with that client identifier; undefined for others than the lesson's. */
  clientOf: (clientId: string) => string | undefined;
  /** The process whose connection with that client identifier was taken over. */
  evictedFrom: (clientId: string) => string | undefined;
  isOpen: (process: string) => boolean;
  /** Of an unacknowledged publication. */
  qosOf: (process: string, packetId: number) => QoS | undefined;
}

type Name = ProcessEvent["event"];
type ElementMaker<E> = (event: E, context: DiagramContext) => DiagramElement[];

const FAILURE_ELEMENTS: Record<FailCause, (at: string, broker: string) => DiagramElement[]> = {
  network: at => [{ draw: "break", at, text: "connection reset" }],
  "no-disconnect": at => [{ draw: "break", at, text: "closes, no DISCONNECT" }],
  crash: at => [{ draw: "break", at, text: "crashes" }],
  "keep-alive": at => [{ draw: "note", at, text: "falls silent", emphasis: "bad" }],
  "protocol-error": (from, to) => [
    { draw: "arrow", from, to, labels: ["forbidden packet"], emphasis: "bad" },
  ],
  "disconnect-with-will": (from, to) => [
    { draw: "arrow", from, to, labels: ["DISCONNECT 0x04"], emphasis: "bad" },
  ],
  graceful: () => [],
};

/** Ends without DISCONNECT, as the broker saw them. */
const END_TEXT: Record<Exclude<EndCause, "graceful">, string> = {
  "connection-closed": "no DISCONNECT came",
  "network-error": "lost, without DISCONNECT",
  "keep-alive-timeout": "silent for 1.5 x keep alive",
  "protocol-error": "protocol error",
  "taken-over": "taken over: same client ID",
  limit: "exceeded a limit",
  "not-authorized": "not authorized",
  "broker-stopped": "the broker stops",
};

const DELIVERY_EMPHASIS: Record<Delivery, Emphasis> = {
  live: "plain",
  retained: "notice",
  queued: "notice",
  redelivered: "notice",
};
const STATE_EMPHASIS: Record<MachineState, Emphasis> = { online: "good", offline: "bad", stopped: "notice" };
const ACKNOWLEDGMENT = { 0: "", 1: "PUBACK", 2: "PUBCOMP" } as const;
const STATUS_PAYLOADS = new Set<string | null>(Object.values(STATUS_PAYLOAD));

const eventElements: { [Each in Name]?: ElementMaker<Extract<ProcessEvent, { event: Each }>> } = {
  connecting: ({ process }, { broker }) => [
    { draw: "open", at: process },
    { draw: "arrow", from: process, to: broker, labels: ["CONNECT"] },
  ],
  connected: ({ process, sessionPresent }, { broker }) => [
    arrowTo(process, broker, sessionPresent ? ["CONNACK, session present", "CONNACK"] : ["CONNACK"]),
  ],
  refused: ({ process, reason }, { broker }) => [
    { ...arrowTo(process, broker, ["CONNACK: refused"]), emphasis: "bad" },
    { draw: "note", at: process, text: reason, emphasis: "bad" },
  ],
  // The broker's event of the same name is about the same packet.
  subscribed: (event, { broker }) =>
    "grantedQos" in event ? [arrowFrom(event.process, broker, [`SUB ${event.topicFilter}`])] : [],
  published: ({ process, ...publish }, { broker }) => [arrowFrom(process, broker, publishLabels(publish))],
  acknowledged: ({ process, packetId }, { broker, qosOf }) => {
    if (packetId === null) return [];
    const name = ACKNOWLEDGMENT[qosOf(process, packetId) ?? 1];
    return [arrowTo(process, broker, [`${name} #${packetId}`, name])];
  },
  // The `status` event that follows draws a status.
  message: (event, { broker }) => {
    const { process, payload, payloadBase64, delivery } = event;
    if (isStatus(event)) return [];
    const labels = publishLabels({ ...event, payload: payload ?? payloadBase64 ?? "" });
    return [
      {
        ...arrowTo(process, broker, labels),
        note: delivery.toUpperCase(),
        emphasis: DELIVERY_EMPHASIS[delivery],
      },
    ];
  },
  status: ({ process, state, payload, delivery }, { broker }) => {
    const note = delivery === "live" ? state.toUpperCase() : `${state.toUpperCase()} ${delivery}`;
    return [
      { ...arrowTo(process, broker, [`"${payload}"`, payload]), note, emphasis: STATE_EMPHASIS[state] },
    ];
  },
  failing: ({ process, cause }, { broker }) => FAILURE_ELEMENTS[cause](process, broker),
  disconnected: ({ process, graceful, reason, reasonCode }, { broker, isOpen }) => {
    if (!isOpen(process)) return [];
    if (graceful) return gracefulEnd(process, broker);
    const disconnect = reasonCode === null ? [] : [disconnectFrom(broker, process, reasonCode)];
    return [...disconnect, { draw: "break", at: process, text: reason }];
  },
  "client-disconnected": ({ clientId, cause }, { broker, clientOf, evictedFrom, isOpen }) => {
    const at = (cause === "taken-over" && evictedFrom(clientId)) || clientOf(clientId);
    if (at === undefined) return [];
    if (cause === "graceful") return isOpen(at) ? gracefulEnd(at, broker) : [];
    if (isOpen(at)) return [{ draw: "break", at, text: END_TEXT[cause] }];
    return [{ draw: "note", at: broker, text: END_TEXT[cause] }];
  },
  link: ({ process, state }) => [{ draw: "link", at: process, state }],
  "will-stored": ({ clientId }, context) => noteOfClient(clientId, context, "stores the will"),
  "will-published": ({ clientId }, context) => noteOfClient(clientId, context, "will PUBLISHED", "bad"),
  "will-discarded": ({ clientId }, context) => noteOfClient(clientId, context, "will discarded", "good"),
  "message-retained": (_, { broker }) => [{ draw: "note", at: broker, text: "retained", emphasis: "quiet" }],
  "retained-cleared": (_, { broker }) => [{ draw: "note", at: broker, text: "retained message cleared" }],
  "message-queued": ({ clientId, queued }, context) =>
    noteOfClient(clientId, context, `${queued} queued for ${context.clientOf(clientId)}`, "notice"),
  "message-dropped": ({ clientId }, context) =>
    noteOfClient(clientId, context, "a queued one dropped", "bad"),
};

/** Returns nothing for an event about a packet that the other side's event draws. */
export function elementsOf(event: ProcessEvent, context: DiagramContext): DiagramElement[] {
  const makeElements = eventElements[event.event] as ElementMaker<ProcessEvent> | undefined;
  return makeElements?.(event, context) ?? [];
}

const arrowFrom = (from: string, to: string, labels: string[]) =>
  ({ draw: "arrow", from, to, labels }) as const;
const arrowTo = (to: string, from: string, labels: string[]) =>
  ({ draw: "arrow", from, to, labels }) as const;

const disconnectFrom = (broker: string, at: string, reasonCode: number): DiagramElement => ({
  ...arrowTo(at, broker, [`DISCONNECT 0x${reasonCode.toString(16).toUpperCase().padStart(2, "0")}`]),
  emphasis: "bad",
});

const gracefulEnd = (at: string, broker: string): DiagramElement[] => [
  arrowFrom(at, broker, ["DISCONNECT"]),
  { draw: "close", at },
];

type Publish = Pick<
  Extract<ProcessEvent, { event: "message" }>,
  "qos" | "retain" | "dup" | "packetId" | "seq"
>;

/** UTF-16 units. */
const MAX_LABEL_PAYLOAD = 30;

/** From the longest label to the shortest. A reading has its number, another short payload its text. */
function publishLabels({
  payload,
  seq,
  qos,
  retain,
  dup,
  packetId,
}: Publish & { payload: string }): string[] {
  const isShort = payload.length <= MAX_LABEL_PAYLOAD;
  const content = seq !== null ? `PUBLISH ${seq}` : isShort ? `"${payload}"` : "PUBLISH";
  const id = packetId === null ? "" : ` #${packetId}`;
  const duplicate = dup ? ", DUP" : "";
  return [
    ...(retain ? [`${content}${id}, QoS ${qos}, retain${duplicate}`] : []),
    `${content}${id}, QoS ${qos}${duplicate}`,
    `${content}${id}${duplicate}`,
    `${content}${duplicate}`,
    seq === null && isShort ? payload : content,
  ];
}

/** Skips the witness, which has no lifeline. */
const noteOfClient = (
  clientId: string,
  { broker, clientOf }: DiagramContext,
  text: string,
  emphasis?: Emphasis,
): DiagramElement[] =>
  clientOf(clientId) === undefined ? [] : [{ draw: "note", at: broker, text, ...(emphasis && { emphasis }) }];

const isStatus = ({ topic, payload, machine }: Extract<ProcessEvent, { event: "message" }>): boolean =>
  STATUS_PAYLOADS.has(payload) &&
  (topic === SLIDE_WILL_TOPIC || (machine !== null && topic.endsWith("/Status")));
