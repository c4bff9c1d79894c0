import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type TestContext } from "node:test";
import type { BrokerSettings } from "../../src/broker/start-broker.js";
import type { Limits } from "../../src/broker/limits/limits.js";
import type { LimitName } from "../../src/events/events.js";
import { ObservedBroker } from "./observed-broker.js";
import { field, packet, uint16 } from "./packets.js";
import { type RawClient } from "./raw-client.js";

/** Two who mean well: what one publishes, the other gets, whatever goes on beside them. */
export class Pair {
  readonly #sent: string[] = [];
  readonly #publisher: RawClient;
  readonly #subscriber: RawClient;

  private constructor(publisher: RawClient, subscriber: RawClient) {
    this.#publisher = publisher;
    this.#subscriber = subscriber;
  }

  static async beside(broker: ObservedBroker): Promise<Pair> {
    const subscriber = await broker.connect("good subscriber", { clean: false });
    await subscriber.subscribe("good", 1);
    const pair = new Pair(await broker.connect("good publisher"), subscriber);
    await pair.exchange();
    return pair;
  }

  async exchange(filling = ""): Promise<void> {
    const payload = `${this.#sent.length} ${filling}`;
    this.#sent.push(payload);
    await this.#publisher.publish("good", payload, 1);
    await this.#subscriber.message(payload);
  }

  /** And nothing twice, nothing out of order, on the connections that they began with. */
  async missedNothing(): Promise<void> {
    await this.exchange();
    assert.deepEqual(
      this.#subscriber.publishes.items.map(({ payload }) => payload),
      this.#sent,
    );
  }
}

/** A broker with these limits, and a pair on it that misses nothing. */
export async function withPair(
  t: TestContext,
  limits: Partial<Limits>,
  trouble: (broker: ObservedBroker, pair: Pair) => Promise<void>,
  settings: Partial<BrokerSettings> = {},
): Promise<void> {
  const broker = await ObservedBroker.start(t, { limits, ...settings });
  const pair = await Pair.beside(broker);
  await trouble(broker, pair);
  await pair.missedNothing();
}

/** Returns the limit as it stands in an event. */
export const past = (limits: Partial<Limits>, name: LimitName) => ({ name, max: limits[name] });

/** The client's connection was ended for that. */
export async function endedPast(broker: ObservedBroker, clientId: string, limit: object): Promise<void> {
  const { cause, limit: reached } = await broker.event("client-disconnected", clientId);
  assert.deepEqual({ cause, limit: reached }, { cause: "limit", limit });
}

/** Somebody was refused for that. */
export const refusedPast = (broker: ObservedBroker, name: LimitName, count = 1) =>
  broker.waitFor(`${count} refused for ${name}`, () => {
    const all = broker.all("client-refused").filter(({ limit }) => limit?.name === name);
    return all.length >= count;
  });

export const subscribePacket = (packetId: number, ...topicFilters: string[]) =>
  packet(0x82, uint16(packetId), ...topicFilters.flatMap(each => [field(each), Buffer.of(1)]));

export const publishPacket = (
  topic: string,
  payload: string,
  packetId: number,
  qos: 1 | 2 = 1,
  retain = false,
) => packet(0x30 | (qos << 1) | (retain ? 1 : 0), field(topic), uint16(packetId), Buffer.from(payload));

export const ws = { port: 0, origins: [] };

/** Of a scheme. */
export function portOf(broker: ObservedBroker, scheme: string): number {
  const [listening] = broker.all("listening");
  return Number(new URL(listening?.urls.find(url => url.startsWith(`${scheme}:`)) ?? "").port);
}

/** Somebody who comes to that port and says nothing. */
export function silentAt(t: TestContext, port: number): { socket: Socket; closed: Promise<unknown> } {
  const socket = connect(port, "127.0.0.1").on("error", () => {});
  t.after(() => socket.destroy());
  return { socket, closed: once(socket.resume(), "close") };
}
