import type { IConnackPacket } from "mqtt";
import type { ConnectionSettings } from "../config/connection-options.js";
import type { ClientEvent, Granted, Sink } from "../events/events.js";
import { type BrokerAddress, urlOf } from "../protocol/broker-url.js";
import { sessionExpiryOf } from "../protocol/session-expiry.js";
import { refusalReason, sessionElsewhere } from "./connection-errors.js";
import type { ReasonInfo } from "./failure-diagnosis.js";
import type * as Mqtt5 from "./mqtt5.js";
import type { ReasonReader } from "./publish-queue.js";

/** Reads and reports each CONNACK: the limits of an MQTT 5 broker, and where the session is stored. */
export class ConnackHandler {
  /** Seconds, as requested or as the broker has set them. */
  keepAlive: number;
  /** As requested, or as an MQTT 5 broker has assigned it. */
  clientId: string;
  /** Null: this connection speaks MQTT 3.1.1. */
  #mqtt5: typeof Mqtt5 | null = null;
  /** The address with a stored session of this client; null if none is known. */
  #sessionAt: BrokerAddress | null = null;

  constructor(
    private readonly settings: Required<ConnectionSettings>,
    private readonly sink: Sink<ClientEvent>,
  ) {
    this.keepAlive = settings.keepAlive;
    this.clientId = settings.clientId;
  }

  /** Loads what the protocol version needs. */
  async load(): Promise<void> {
    if (this.settings.protocolVersion === "5") this.#mqtt5 = await import("./mqtt5.js");
  }

  get isMqtt5(): boolean {
    return this.#mqtt5 !== null;
  }

  /** Returns the meaning of an MQTT 5 reason code, or null with MQTT 3.1.1. */
  reasonInfo(code: number, properties: object = {}): ReasonInfo | null {
    return this.#mqtt5?.reasonInfoFor(code, properties) ?? null;
  }

  readonly readReason: ReasonReader = (error, answer) => {
    const { code } = error as { code?: unknown };
    return typeof code === "number" ? this.reasonInfo(code, propertiesOf(answer)) : null;
  };

  refused(returnCode: number, properties: object): ReasonInfo | null {
    const said = this.reasonInfo(returnCode, properties);
    this.sink({ event: "refused", returnCode, reason: said?.reason ?? refusalReason(returnCode) });
    return said;
  }

  /** Returns what the broker has granted, or null with MQTT 3.1.1. */
  readGranted(properties: object): Granted | null {
    if (!this.#mqtt5) return null;
    this.#mqtt5.clean(properties);
    const granted = this.#mqtt5.grantedIn(properties, sessionExpiryOf(this.settings) ?? 0);
    this.clientId = granted.assignedClientId ?? this.clientId;
    this.keepAlive = granted.keepAlive ?? this.settings.keepAlive;
    return granted;
  }

  reportConnected(granted: Granted | null, sessionPresent: boolean, address: BrokerAddress): void {
    const { cleanSession, protocolVersion, will, willDelay } = this.settings;
    this.sink({
      event: "connected",
      broker: urlOf(address),
      clientId: this.clientId,
      cleanSession,
      sessionPresent,
      keepAlive: this.keepAlive,
      protocolVersion,
      will,
      willDelay: granted && will && Math.min(willDelay, granted.sessionExpiry),
      granted,
    });
    if (!cleanSession && granted?.sessionExpiry !== 0) this.#checkSession(sessionPresent, address);
  }

  #checkSession(sessionPresent: boolean, address: BrokerAddress): void {
    const before = this.#sessionAt;
    this.#sessionAt = address;
    if (sessionPresent || before === null || before === address) return;
    const { code, message, hint } = sessionElsewhere(address, before);
    this.sink({ event: "warning", code, message, hint });
  }
}

export const returnCodeOf = ({ returnCode, reasonCode }: IConnackPacket): number =>
  reasonCode ?? returnCode ?? 0;

const propertiesOf = (packet: unknown): object =>
  (packet as { properties?: object } | undefined)?.properties ?? {};
