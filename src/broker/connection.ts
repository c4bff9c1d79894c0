import type { ConnectPacket } from "aedes";
import type { Socket } from "node:net";
import type { BrokerEvent, EndCause } from "../events.js";
import { type AedesBroker, type AedesClient, hasDisconnected } from "./aedes-parts.js";
import { causeOfEnd, willClause } from "./causes.js";
import { LiveDelivery } from "./mends.js";
import type { Session } from "./sessions.js";

const PROTOCOL_VERSIONS: Record<number, string> = { 3: "3.1", 4: "3.1.1" };

/** One network connection, from its first byte to what became of its will, and the events that tell so. */
export class Connection {
  readonly address: string;
  /** Kept when the connection is over and nothing of it is registered any more. */
  readonly gone: Promise<void>;
  /** What the client sent as CONNECT, once it has. */
  connect: ConnectPacket | null = null;
  /** Kept when the connections that had this client identifier before are gone. */
  predecessorsGone: Promise<void> = Promise.resolve();
  readonly #client: AedesClient;
  readonly #socket: Socket;
  readonly #emit: (event: BrokerEvent) => void;
  #phase: "new" | "refused" | "connected" | "ready" | "ended" = "new";
  #cause: EndCause | null = null;
  #willDue = false;
  #session: Session | null = null;
  #delivery: LiveDelivery | null = null;
  #resolveGone = () => {};

  constructor(client: AedesClient, socket: Socket, emit: (event: BrokerEvent) => void) {
    this.#client = client;
    this.#socket = socket;
    this.#emit = emit;
    this.address = `${socket.remoteAddress}:${socket.remotePort}`;
    this.gone = new Promise(resolve => {
      this.#resolveGone = resolve;
    });
  }

  /** True while messages for its session go straight to it: its queue is out. */
  get ready(): boolean {
    return this.#phase === "ready";
  }

  get clientId(): string {
    return this.#client.id;
  }

  /** The client is accepted: from here on it is delivered to in order. */
  accept(session: Session | null): void {
    this.#session = session;
    this.#delivery = new LiveDelivery(this.#client, session);
  }

  /** CONNACK is out. */
  connected(connect: ConnectPacket, sessionPresent: boolean): void {
    if (this.#phase !== "new") return;
    this.#phase = "connected";
    const { clientId } = this;
    this.#emit({
      event: "client-connected",
      clientId,
      address: this.address,
      cleanSession: connect.clean ?? true,
      sessionPresent,
      keepAlive: connect.keepalive ?? 0,
      protocolVersion: PROTOCOL_VERSIONS[connect.protocolVersion ?? 4] ?? "unknown",
    });
    if (this.#session) {
      this.#session.established = true;
      if (sessionPresent)
        this.#emit({ event: "session-resumed", clientId, queued: this.#session.queue.length });
    }
    const { will } = this.#client;
    if (!will) return;
    const { topic, qos, retain } = will;
    this.#emit({ event: "will-stored", clientId, topic, qos, retain });
  }

  /** The queue of its session is out. */
  drained(): void {
    if (this.#phase !== "connected") return;
    this.#phase = "ready";
    this.#delivery?.release();
  }

  refused(reason: string): void {
    if (this.#phase !== "new") return;
    this.#phase = "refused";
    const clientId = this.connect ? this.connect.clientId : null;
    this.#emit({ event: "client-refused", clientId, address: this.address, reason });
  }

  /** Something ends the connection now. What comes after its end, or after DISCONNECT, is not the cause. */
  ending(cause: EndCause): void {
    if (!this.#client.closed && !hasDisconnected(this.#client)) this.#cause ??= cause;
  }

  /** Another connection takes over the client identifier [MQTT-3.1.4-2]. */
  async takenOver(): Promise<void> {
    this.ending("taken-over");
    this.#client.close();
    await Promise.all([this.predecessorsGone, this.gone]);
  }

  isItsWill(message: object): boolean {
    return this.connect?.will === message;
  }

  /** The broker is about to publish the will, since the connection is over. */
  willIsDue(): void {
    this.#willDue = true;
    this.#end();
  }

  willPublished(): void {
    this.#tellWill("will-published");
  }

  /** aedes has let go of the connection, and of its will where there was nothing to publish. */
  closed(): void {
    const willDropped = this.#isConnected && !this.#willDue;
    this.#end();
    if (willDropped) this.#tellWill("will-discarded");
    this.#resolveGone();
  }

  /** The socket is closed: of a connection that was never registered nothing else will tell the end. */
  socketClosed(registered: boolean): void {
    if (!registered) this.#resolveGone();
  }

  /** Publishes the will while those who watch it are still connected; aedes, at its own close, would be late. */
  async publishWill(broker: AedesBroker): Promise<void> {
    const { will, closed } = this.#client;
    if (!will || closed) return;
    this.#client.will = null;
    this.#willDue = true;
    await new Promise<void>(resolve => broker.publish(will, this.#client, () => resolve()));
  }

  /** Sends what is written, and FIN. */
  finish(): Promise<void> {
    return new Promise(resolve => {
      this.#socket.once("close", () => resolve());
      this.#socket.end(resolve);
    });
  }

  /** Closes the socket of a client that did not take the hint. */
  destroy(): void {
    this.#socket.destroy();
  }

  get #isConnected(): boolean {
    return this.#phase === "connected" || this.#phase === "ready";
  }

  #end(): void {
    if (this.#phase === "ended") return;
    const wasConnected = this.#isConnected;
    this.#phase = "ended";
    this.#cause ??= causeOfEnd(this.#client);
    this.#delivery?.end();
    if (!wasConnected) return;
    const { clientId } = this;
    this.#emit({ event: "client-disconnected", clientId, cause: this.#cause });
    // In memory no session outlives the broker.
    if (this.#session && this.#cause !== "broker-stopped")
      this.#emit({ event: "session-stored", clientId, queued: this.#session.queue.length });
  }

  #tellWill(event: "will-published" | "will-discarded"): void {
    const topic = this.connect?.will?.topic;
    const cause = this.#cause;
    if (topic === undefined || cause === null) return;
    this.#emit({ event, clientId: this.clientId, topic, cause, clause: willClause[cause] });
  }
}
