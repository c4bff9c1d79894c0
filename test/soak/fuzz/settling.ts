import { setTimeout } from "node:timers/promises";
import type { BrokerStatus } from "../../../src/events/events.js";
import { BROKER_STATUS_TOPIC } from "../../../src/protocol/topics.js";
import { field, packet } from "../../support/packets.js";
import { RawClient } from "../../support/raw-client.js";
import { PAIR, UNTIL_BROKER_ENDS } from "./pair.js";

/** Milliseconds for the broker to free what the attacks left. */
const TIMEOUT_MS = 60_000;
/** Milliseconds between looks. */
const LOOK = 20;

const CLEANER = "well-behaved-2c61f0-cleaner";

/**
 * Waits until no stranger is connected, then ends their sessions and clears what they had retained: after that the
 * broker holds the pair's two sessions.
 * @returns what else it holds after all
 */
export async function settle(port: number): Promise<string[]> {
  const deadline = performance.now() + TIMEOUT_MS;
  for (;;) {
    const left = await clear(port).catch((error: Error) => [error.message]); // strangers may have left no room yet
    if (left.length === 0 || performance.now() > deadline) return left;
    await setTimeout(LOOK);
  }
}

/** @returns what there was to be cleared away */
async function clear(port: number): Promise<string[]> {
  const status = await statusOf(port);
  const left = remains(status);
  if (left.length > 0 && strangers(status.clients).length === 0) await forget(port, status);
  return left;
}

const strangers = <Item extends { clientId: string }>(all: Item[]) =>
  all.filter(({ clientId }) => clientId !== PAIR.publisher && clientId !== PAIR.subscriber);

function remains({ clients, sessions, wills, retained, totals }: BrokerStatus): string[] {
  const pair = { clients: 2, sessions: 2, wills: 0, retained: 0 };
  const isMore = Object.entries(pair).some(([what, count]) => totals[what as keyof typeof pair] !== count);
  const names = [...strangers(clients), ...strangers(sessions), ...wills].map(({ clientId }) => clientId);
  const all = [...new Set(names), ...retained.map(({ topic }) => topic)];
  if (!isMore && all.length === 0) return [];
  return [
    `the broker holds ${JSON.stringify(totals)}, the pair is ${JSON.stringify(pair)}: ${all.slice(0, 5).join(", ")}`,
  ];
}

async function statusOf(port: number): Promise<BrokerStatus> {
  const client = await RawClient.connect(UNTIL_BROKER_ENDS, port, { clientId: CLEANER });
  await client.subscribe(BROKER_STATUS_TOPIC, 1);
  const { payload } = await client.publishes.waitFor("status", all => all[0]);
  await leave(client);
  return JSON.parse(payload) as BrokerStatus;
}

async function forget(port: number, { sessions, retained }: BrokerStatus): Promise<void> {
  for (const { clientId } of strangers(sessions))
    await leave(await RawClient.connect(UNTIL_BROKER_ENDS, port, { clientId }));
  const client = await RawClient.connect(UNTIL_BROKER_ENDS, port, { clientId: CLEANER });
  for (const { topic } of retained) client.socket.write(packet(0x31, field(topic)));
  await client.ping();
  await leave(client);
}

async function leave(client: RawClient): Promise<void> {
  client.disconnect();
  await client.closed;
}
