/** The parts of aedes 1.2.0 that its own types leave out and this room relies on (aedes is pinned for that). */
// oxlint-disable no-underscore-dangle -- aedes' own names
import type { Aedes, Client, PublishPacket, Subscription } from "aedes";
import type { Readable } from "node:stream";
import type { Owed, StoredMessage, StoredPubrel } from "./session-queue.js";

export type Deliver = (message: LiveMessage, done: () => void) => void;

/** A message on its way to one subscriber; `brokerId` is null for what a new subscription finds retained. */
export type LiveMessage = Omit<StoredMessage, "brokerId"> & { brokerId: string | null };

export type AedesClient = Client & {
  _disconnected: boolean;
  _nextId: number;
  will: PublishPacket | null;
  duplicates: Record<string, number>;
  deliver0: Deliver;
  deliverQoS: Deliver;
};

export interface AedesPersistence {
  subscriptionsByClient(client: { id: string }): Promise<Subscription[]>;
  cleanSubscriptions(client: { id: string }): Promise<void>;
  outgoingEnqueueCombi(
    subscriptions: (Subscription & { clientId: string })[],
    message: StoredMessage,
  ): Promise<void>;
  outgoingUpdate(client: AedesClient, packet: StoredMessage | StoredPubrel): Promise<void>;
  outgoingClearMessageId(client: { id: string }, packet: { messageId?: number }): Promise<Owed | undefined>;
  outgoingStream(client: AedesClient): Readable;
  streamWill(): Readable;
}

export type AedesBroker = Aedes & {
  persistence: AedesPersistence;
  /** The registered connections by client identifier. */
  clients: Record<string, AedesClient>;
  publish(packet: PublishPacket, client: Client, done: () => void): void;
  on(event: "error", listener: (error: Error) => void): unknown;
};

/** Whether a DISCONNECT has come. */
export const hasDisconnected = (client: AedesClient): boolean => client._disconnected;

/** The packet identifier for the next message to this client. */
export const nextPacketId = (client: AedesClient): number => client._nextId;

export const setNextPacketId = (client: AedesClient, packetId: number): void => {
  client._nextId = packetId;
};
