import { createConnection, type Socket } from "node:net";
import { setTimeout as passes } from "node:timers/promises";
import type { Will } from "../../../src/events/events.js";
import {
  connectPacket,
  DISCONNECT,
  field,
  firstPacket,
  type Packet,
  packet,
  PacketType,
  uint16,
} from "../../support/packets.js";
import type { ChaosBroker } from "./brokers.js";
import type { Ledger, WillCount } from "./ledger.js";
import { Random } from "./random.js";

export const WILL_TOPIC = "wills";
/** Milliseconds until it tries again to connect. */
const PAUSE = 15;

/** The settings that all clients share. */
export interface Scene {
  broker: ChaosBroker;
  ledger: Ledger;
  seed: number;
}

/** The planned end of one connection. */
interface Fate {
  /** Milliseconds that it lasts, where nobody else ends it. */
  stays: number;
  /** With DISCONNECT, or without. */
  leaves: boolean;
  /** Milliseconds until the next. */
  away: number;
}

const STAYS: Fate = { stays: 2 ** 31 - 1, leaves: true, away: PAUSE };

/** A client with a stored session, made of bytes: what it knows outlives its connections, as the standard wants it. */
export abstract class Client {
  protected readonly random: Random;
  /** Answers everything, and stays. */
  protected isCalm = false;
  #socket: Socket | null = null;
  #isConnected = false;
  #isKnown = false;
  #isOver = false;
  #connections = 0;
  /** The broker's when it was begun: it may have been killed since. */
  #begunIn = 0;
  #living!: Promise<void>;
  /** True if the last connection ended with DISCONNECT. */
  #dismissed: { will: WillCount; life: number } | null = null;

  protected constructor(
    protected readonly scene: Scene,
    readonly clientId: string,
    readonly isRestless: boolean,
    readonly hasWill: boolean,
  ) {
    this.random = new Random(scene.seed, clientId);
  }

  /** After each CONNACK. @param isNew the broker knows no session of it */
  protected abstract connected(isNew: boolean): void;
  protected abstract take(packet: Packet): void;

  start(): void {
    this.#living = this.#live();
  }

  calmDown(): void {
    this.isCalm = true;
    this.#socket?.destroy();
  }

  /** With DISCONNECT. */
  async end(): Promise<void> {
    this.#isOver = true;
    this.#leave();
    await this.#living;
  }

  protected get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Not after DISCONNECT [MQTT-3.14.4-2]. */
  protected send(bytes: Buffer): void {
    if (this.#isConnected) this.#socket?.write(bytes);
  }

  protected answer(type: number, packetId: number): void {
    this.send(packet((type << 4) | (type === PacketType.pubrel ? 2 : 0), uint16(packetId)));
  }

  protected subscribe(topicFilter: string, qos: 1 | 2): void {
    this.send(packet(0x82, uint16(1), field(topicFilter), Buffer.from([qos])));
  }

  async #live(): Promise<void> {
    while (!this.#isOver) {
      const fate = this.isRestless && !this.isCalm ? this.#fate() : STAYS;
      await this.#connection(fate);
      if (!this.#isOver) await passes(this.isCalm ? PAUSE : fate.away);
    }
  }

  #fate(): Fate {
    return {
      stays: this.random.between(20, 700),
      leaves: this.random.chance(0.3),
      away: this.random.chance(0.3) ? this.random.between(PAUSE, 700) : PAUSE,
    };
  }

  async #connection({ stays, leaves }: Fate): Promise<void> {
    const { broker, ledger } = this.scene;
    this.#connections += 1;
    this.#begunIn = broker.life;
    const payload = `${this.clientId} ${this.#connections}`;
    const will: Will | undefined = this.hasWill
      ? { topic: WILL_TOPIC, payload, qos: 2, retain: false }
      : undefined;
    const socket = createConnection({ port: broker.port, host: "127.0.0.1", noDelay: true });
    this.#socket = socket;
    let unread: Buffer = Buffer.alloc(0);
    let leaving: NodeJS.Timeout | undefined;
    const connack = ({ body }: Packet) => {
      this.#isConnected = true;
      this.#dismissedForGood();
      if (will) ledger.will(payload).least = 1;
      const isNew = body.readUInt8(0) === 0;
      if (isNew && this.#isKnown) ledger.forgotten += 1;
      this.#isKnown = true;
      this.connected(isNew);
      leaving = setTimeout(() => (leaves ? this.#leave() : socket.destroy()), stays);
    };
    socket.on("error", () => {});
    socket.once("connect", () => {
      if (will) ledger.will(payload).most = 1;
      socket.write(connectPacket({ clientId: this.clientId, clean: false, ...(will && { will }) }));
    });
    socket.on("data", data => {
      unread = Buffer.concat([unread, data]);
      for (let first = firstPacket(unread); first; first = firstPacket(unread)) {
        unread = unread.subarray(first.length);
        if (first.packet.type === PacketType.connack) connack(first.packet);
        else this.take(first.packet);
      }
    });
    await new Promise(resolve => socket.once("close", resolve));
    clearTimeout(leaving);
    this.#isConnected = false;
  }

  #leave(): void {
    if (!this.#isConnected) return void this.#socket?.destroy();
    this.#isConnected = false;
    this.#socket?.end(DISCONNECT);
    if (!this.hasWill) return;
    const will = this.scene.ledger.will(`${this.clientId} ${this.#connections}`);
    will.least = 0; // the broker may die before it reads that
    this.#dismissed = { will, life: this.#begunIn };
  }

  /** The broker closed the last connection after a DISCONNECT, and has recorded something later since. */
  #dismissedForGood(): void {
    const { life } = this.scene.broker;
    if (this.#dismissed?.life === life && this.#begunIn === life) this.#dismissed.will.most = 0;
    this.#dismissed = null;
  }
}
