import type { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import type { QoS } from "../events/events.js";
import type { ApplicationMessage } from "./message.js";
import type { Acknowledgment } from "./session/acknowledgment-rules.js";

/** A CONNECT packet without its credentials. */
export interface ConnectPacket {
  clientId: string;
  isClean: boolean;
  /** Seconds; 0 turns it off. */
  keepAlive: number;
  /** The protocol level: 3 is MQTT 3.1, 4 is 3.1.1. */
  protocolVersion: number;
  will: ApplicationMessage | null;
}

export interface PublishPacket extends ApplicationMessage {
  messageId?: number;
}

/** The engine's end of one connection. */
export interface EngineClient {
  /** The client identifier: the client's own or, in place of an empty one, a generated one. */
  readonly id: string;
  readonly isClosed: boolean;
  /** True after DISCONNECT. */
  readonly hasDisconnected: boolean;
  /** Returns the will, which the engine then does not publish. Null without one, or when the connection is closed. */
  takeWill(): ApplicationMessage | null;
  close(): void;
}

/** Called once, with null or the error that ends the connection. */
export type EngineCallback = (error: Error | null) => void;

/**
 * The broker's part of the protocol; `C` is its own object for a connection. The engine parses packets, answers them and
 * measures keep alive.
 */
export interface ProtocolHandlers<C> {
  /** Checks CONNECT. An error ends the connection without CONNACK. */
  checkConnect(connection: C, packet: ConnectPacket): Error | null;
  /** Logs the client in and opens its session. Resolves with the return code of CONNACK. */
  onConnect(connection: C, username: string | undefined, password: Buffer | undefined): Promise<number>;
  isSessionPresent(clientId: string): boolean;
  /** Ends a stored session because its client has connected with clean session 1. */
  endStoredSession(clientId: string): Promise<void>;
  storeWill(connection: C, will: ApplicationMessage): Promise<void>;
  /** CONNACK has been sent. */
  onConnack(connection: C, returnCode: number, sessionPresent: boolean): void;
  /** Stores and distributes a message. The engine acknowledges it when `done` is called. */
  onPublish(connection: C, packet: PublishPacket, done: EngineCallback): void;
  /** Publishes the will of a connection that has ended without DISCONNECT. */
  onWillDue(connection: C, will: ApplicationMessage, done: EngineCallback): void;
  /** PUBREL releases a QoS 2 message. PUBCOMP is sent when this resolves. */
  onRelease(connection: C, packetId: number): Promise<void>;
  /** Subscribes the client. SUBACK grants the QoS when `done` is called with true, and reports a failure otherwise. */
  onSubscribe(
    connection: C,
    subscription: { topic: string; qos: QoS },
    done: (error: Error | null, isGranted: boolean) => void,
  ): void;
  /** SUBACK has been sent. */
  onSubscribed(connection: C, granted: { topic: string; qos: QoS }[]): void;
  onUnsubscribe(connection: C, topicFilters: string[]): void;
  /** Returns why that acknowledgment ends the connection, or null. */
  checkAcknowledgment(connection: C, acknowledgment: Acknowledgment, packetId: number): string | null;
  /** PUBACK or PUBCOMP acknowledges a message. */
  onAck(connection: C, packetId: number): void;
  /** Calls back when all that was received so far is durable. */
  onDurable(done: EngineCallback): void;
  /** @param keeper ends its connection on an `error` event @param bytes memory of its incomplete packet, or 0 */
  onPartialPacket(keeper: EventEmitter, packet: object | null, bytes: number): void;
  /** Each packet, if the engine traces packets. */
  onPacket(connection: C, direction: "sent" | "received", packet: { cmd: string }): void;
  onKeepAliveTimeout(connection: C): void;
  /** @param hasConnected false before a valid CONNECT */
  onError(connection: C, error: Error, hasConnected: boolean): void;
  /** Called once, when the engine has let go of the connection. */
  onClose(connection: C): void;
  /** The engine itself has failed at something. */
  onFailure(error: Error): void;
}

/** Speaks MQTT 3.1.1 on streams. */
export interface ProtocolEngine<C> {
  open(stream: Duplex, connect: (client: EngineClient) => C): void;
  /** Closes every connection. */
  close(): Promise<void>;
}
