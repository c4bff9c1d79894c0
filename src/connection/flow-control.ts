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

/** The defaults of MQTT 5, also used with MQTT 3.1.1. */
const NO_LIMITS = {
  receiveMaximum: Number.POSITIVE_INFINITY,
  maximumQos: 2,
  retainAvailable: true,
  maximumPacketSize: null,
} satisfies Partial<Granted>;

/** Keeps publications within the broker's limits. */
export class FlowControl {
  #granted: Pick<Granted, keyof typeof NO_LIMITS> = NO_LIMITS;
  /** Unacknowledged messages at QoS 1 and 2. */
  #underWay = 0;
  readonly #whenFree: (() => void)[] = [];
  readonly #told: string[] = [];

  constructor(private readonly sink: Sink<ClientEvent>) {}

  /** Called at CONNACK. @param granted null with MQTT 3.1.1 */
  opened(granted: Granted | null): void {
    this.#granted = granted ?? NO_LIMITS;
  }

  /** Returns whether one more may be sent [MQTT-3.3.4-9], and counts it until `release`. */
  take(): boolean {
    if (this.#underWay >= this.#granted.receiveMaximum) return false;
    this.#underWay += 1;
    return true;
  }

  release(): void {
    this.#underWay -= 1;
    for (const tell of this.#whenFree) tell();
  }

  /** Returns the places of the messages of a closed connection, which the next one sends again. */
  giveBack(count: number): void {
    this.#underWay -= count;
  }

  whenFree(tell: () => void): void {
    this.#whenFree.push(tell);
  }

  takesQos(qos: QoS): boolean {
    return qos <= this.#granted.maximumQos;
  }

  /**
   * Returns the message as the broker accepts it: at a lower QoS [MQTT-3.2.2-11] or without the retain flag
   * [MQTT-3.2.2-14]. Warns once. @throws UserError `too-large` [MQTT-3.2.2-15]
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

  /** Returns the error for a refused message. Warns once for each reason. */
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

const SAID_SO = "Use another broker if you need more. This one reported its limit in CONNACK.";
const lowerQos = (most: QoS) => ({
  code: "lower-qos",
  message: `this broker accepts at most QoS ${most}, so messages are published at that QoS.`,
  hint: SAID_SO,
});
const NOT_RETAINED = {
  code: "not-retained",
  message: "this broker stores no retained messages, so messages are published without the retain flag.",
  hint: SAID_SO,
};

/** Returns the bytes of a PUBLISH in MQTT 5 without properties. */
function sizeOf({ topic, payload, qos }: Publication): number {
  const remaining = 2 + Buffer.byteLength(topic) + (qos > 0 ? 2 : 0) + 1 + Buffer.byteLength(payload);
  return packetSize(remaining);
}
