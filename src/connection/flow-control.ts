import type { ClientEvent, Granted, QoS, Sink } from "../events/events.js";
import { packetSize } from "../protocol/remaining-length.js";
import type { UserError } from "../util/errors.js";
import type { ReasonInfo } from "./failure-diagnosis.js";
import { publicationRefused, tooLarge } from "./connection-errors.js";

interface Publication {
  topic: string;
  payload: string | Buffer;
  qos: QoS;
  retain: boolean;
}

/** What MQTT 3.1.1 knows nothing of, and MQTT 5 has where CONNACK says nothing. */
const NO_LIMITS = {
  receiveMaximum: Number.POSITIVE_INFINITY,
  maximumQos: 2,
  retainAvailable: true,
  maximumPacketSize: null,
} satisfies Partial<Granted>;

/** Keeps what is published within what the broker takes. */
export class FlowControl {
  #granted: Pick<Granted, keyof typeof NO_LIMITS> = NO_LIMITS;
  /** Messages at QoS 1 and 2 that are sent and not acknowledged. */
  #underWay = 0;
  readonly #whenFree: (() => void)[] = [];
  readonly #told: string[] = [];

  constructor(private readonly sink: Sink<ClientEvent>) {}

  /** A connection was accepted. @param granted null: MQTT 3.1.1 */
  opened(granted: Granted | null): void {
    this.#granted = granted ?? NO_LIMITS;
  }

  /** One more may be sent [MQTT-3.3.4-9]; then it is counted until `release`. */
  take(): boolean {
    if (this.#underWay >= this.#granted.receiveMaximum) return false;
    this.#underWay += 1;
    return true;
  }

  release(): void {
    this.#underWay -= 1;
    for (const tell of this.#whenFree) tell();
  }

  /** So many that were under way in a connection that is over, and will be sent again in the next one. */
  giveBack(count: number): void {
    this.#underWay -= count;
  }

  /** @param tell called whenever more may be sent */
  whenFree(tell: () => void): void {
    this.#whenFree.push(tell);
  }

  takesQos(qos: QoS): boolean {
    return qos <= this.#granted.maximumQos;
  }

  /**
   * The message as it may be sent: at a lower QoS [MQTT-3.2.2-11] or without the retain flag [MQTT-3.2.2-14], which is told
   * once. @throws UserError `too-large` [MQTT-3.2.2-15]
   */
  fit<Message extends Publication>(message: Message): Message {
    const { maximumQos, retainAvailable, maximumPacketSize } = this.#granted;
    if (this.#granted === NO_LIMITS) return message;
    const bytes = maximumPacketSize === null ? 0 : sizeOf(message);
    if (maximumPacketSize !== null && bytes > maximumPacketSize)
      throw this.#toldOnce("too-large", tooLarge(message.topic, bytes, maximumPacketSize));
    if (message.qos > maximumQos) this.#toldOnce("lower-qos", lowerQos(maximumQos));
    const retain = message.retain && retainAvailable;
    if (message.retain && !retain) this.#toldOnce("not-retained", NOT_RETAINED);
    return { ...message, qos: Math.min(message.qos, maximumQos) as QoS, retain };
  }

  /** The error for a message that the broker has refused; told once for each reason. */
  refused(topic: string, said: ReasonInfo): UserError {
    return this.#toldOnce(`refused ${said.code}`, publicationRefused(topic, said));
  }

  #toldOnce<Trouble extends Pick<UserError, "code" | "message" | "hint">>(
    key: string,
    trouble: Trouble,
  ): Trouble {
    const { code, message, hint } = trouble;
    if (!this.#told.includes(key)) {
      this.#told.push(key);
      this.sink({ event: "warning", code, message, hint });
    }
    return trouble;
  }
}

const SAID_SO = "It said so in CONNACK; another one may do more.";
const lowerQos = (most: QoS) => ({
  code: "lower-qos",
  message: `this broker takes QoS ${most} at most: messages to it go out so.`,
  hint: SAID_SO,
});
const NOT_RETAINED = {
  code: "not-retained",
  message: "this broker keeps no retained messages: they go out without the retain flag.",
  hint: SAID_SO,
};

/** Bytes of a PUBLISH in MQTT 5: fixed header, topic, packet identifier, no properties, payload. */
function sizeOf({ topic, payload, qos }: Publication): number {
  const remaining = 2 + Buffer.byteLength(topic) + (qos > 0 ? 2 : 0) + 1 + Buffer.byteLength(payload);
  return packetSize(remaining);
}
