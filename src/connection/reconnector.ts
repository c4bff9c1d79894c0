import type { MqttClient } from "mqtt";
import type { Duplex } from "node:stream";
import type { ConnectionSettings } from "../config/connection-options.js";
import type { ClientEvent, Sink } from "../events/events.js";
import type { BrokerAddress } from "../protocol/broker-url.js";
import { isUserError, type UserError } from "../util/errors.js";
import { AddressRotation, type FailedAddress } from "./address-rotation.js";
import { ConnectionAttempt } from "./connection-attempt.js";
import type { ConnackHandler } from "./connack-handler.js";
import {
  allBrokersFailed,
  failoverNotice,
  isFinal,
  noBroker,
  refusalReason,
  refused,
} from "./connection-errors.js";
import { type ReasonInfo, reasonOf } from "./failure-diagnosis.js";
import { type DropCause, dropConnection } from "./fault-injection.js";
import type { OversizedPublish } from "./packet-framer.js";
import { ReconnectPolicy } from "./reconnect-policy.js";
import { type Transport, transportTo } from "./transport.js";

/** Limits one attempt, so that a silent address does not use up all the time. */
const MAX_ATTEMPT_MS = 10_000;
/** The last attempt before the deadline would otherwise have too little time to succeed. */
const MIN_ATTEMPT_MS = 1_000;

/** Makes the network connections of one client, and decides what follows each. */
export class Reconnector {
  /** The last attempt. */
  attempt: ConnectionAttempt | null = null;
  #openTransport: () => Transport = () => {
    throw new Error("prepare() must be called first");
  };
  readonly #addresses: AddressRotation;
  readonly #policy: ReconnectPolicy;
  /** Addresses whose failure has been reported. */
  readonly #reported: BrokerAddress[] = [];

  constructor(
    private readonly settings: Required<ConnectionSettings>,
    addresses: readonly [BrokerAddress, ...BrokerAddress[]],
    private readonly sink: Sink<ClientEvent>,
  ) {
    const { clientId, connectTimeout, reconnectTimeout } = settings;
    this.#addresses = new AddressRotation(addresses);
    this.#policy = new ReconnectPolicy(
      { clientId, connectTimeout: connectTimeout * 1000, reconnectTimeout: reconnectTimeout * 1000 },
      Date.now(),
    );
  }

  /** The broker that is connected or tried. */
  get address(): BrokerAddress {
    return this.#addresses.current;
  }

  /** Milliseconds that the next attempt may take. */
  get attemptTimeoutMs(): number {
    const share = Math.max(MIN_ATTEMPT_MS, this.#policy.left(Date.now()) / this.#addresses.left);
    return Math.min(MAX_ATTEMPT_MS, share);
  }

  /** Loads the transport to the current address. @throws UserError when its certificates can't be used */
  async prepare(): Promise<void> {
    const { tls, maxPacket } = this.settings;
    this.#openTransport = await transportTo(this.address, tls ?? {}, maxPacket);
  }

  /** Starts an attempt. */
  openStream(isMqtt5: boolean, onOversized: (publish: OversizedPublish) => void): Duplex {
    const transport = this.#openTransport();
    this.attempt = new ConnectionAttempt(transport, isMqtt5, this.settings.maxPacket, onOversized);
    return transport.stream;
  }

  /** Records CONNACK. @param returnCode in MQTT 5 its reason code */
  answered(returnCode: number, said: ReasonInfo | null): void {
    if (this.attempt) Object.assign(this.attempt, { returnCode, said });
    if (returnCode !== 0) return;
    this.#policy.accepted(Date.now());
    this.#addresses.accepted();
  }

  /** Records the DISCONNECTs of both sides. */
  recordDisconnects(client: MqttClient, reasons: Pick<ConnackHandler, "reasonInfo">): void {
    client.on("packetsend", ({ cmd }) => {
      if (cmd === "disconnect" && this.attempt) this.attempt.disconnectSent = true;
    });
    client.on("disconnect", ({ reasonCode = 0, properties }) => {
      if (this.attempt) this.attempt.said = reasons.reasonInfo(reasonCode, properties);
    });
  }

  /** Ends the network connection because of an error on this side. */
  fail(error: Error): void {
    if (!this.attempt) return;
    this.attempt.error ??= error;
    this.attempt.transport.socket.destroy();
  }

  drop(cause: DropCause, client: MqttClient): void {
    if (!this.attempt) return;
    this.attempt.closedHere = cause === "network" || cause === "no-disconnect";
    this.attempt.willAsked = cause === "disconnect-with-will";
    dropConnection[cause](this.attempt.transport, client);
  }

  /**
   * Decides what follows a connection that closed.
   * @returns milliseconds until the next attempt, or why there is none
   */
  next(attempt: ConnectionAttempt): number | UserError {
    const { address } = this;
    const failed = attempt.accepted ? null : failureOf(address, attempt);
    const turn = failed && this.#addresses.next(failed);
    if (failed && !turn) return allBrokersFailed(this.#addresses.failed);
    const others = { failed: this.#addresses.failed, goesOn: turn?.now ?? false };
    const delay = this.#policy.closed(address, attempt, Date.now(), others);
    if (isUserError(delay)) return delay;
    if (failed) this.#reportOnce(failed, turn?.now ? turn.address : null, delay.secondsLeft);
    this.sink({ event: "reconnecting", ...delay, reason: failed?.reason ?? reasonOf(attempt) });
    return delay.inSeconds * 1000;
  }

  /** Warns of the first failure at each address only. */
  #reportOnce(failed: FailedAddress, other: BrokerAddress | null, secondsLeft: number): void {
    const { address, error } = failed;
    if (this.#reported.includes(address)) return;
    this.#reported.push(address);
    const { code, message, hint } = other ? failoverNotice(failed, other) : error;
    const more = secondsLeft > 0 ? ` (trying for ${secondsLeft} s more)` : "";
    this.sink({ event: "warning", code, message, hint: hint + more });
  }
}

function failureOf(address: BrokerAddress, attempt: ConnectionAttempt): FailedAddress {
  const { returnCode, said } = attempt;
  if (!returnCode) {
    const error = noBroker(address, attempt);
    return { address, error, reason: reasonOf(attempt), isFinal: isFinal(address, attempt) };
  }
  const error = refused(address, returnCode, said);
  return { address, error, reason: said?.reason ?? refusalReason(returnCode), isFinal: true };
}

export function disconnectedEvent({
  disconnectSent,
  willAsked,
  closedHere,
  error,
  firstBytes,
  said,
}: ConnectionAttempt): ClientEvent {
  const graceful = disconnectSent && !willAsked && error === null;
  const ownReason = graceful
    ? "DISCONNECT sent"
    : willAsked
      ? "DISCONNECT sent, which asks for the will (0x04)"
      : closedHere
        ? "closed here, without DISCONNECT"
        : null;
  const reason = ownReason ?? reasonOf({ error, firstBytes, said });
  return { event: "disconnected", graceful, reason, reasonCode: said?.code ?? null };
}
