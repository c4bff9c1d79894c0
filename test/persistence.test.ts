import { createRequire } from "node:module";
import { test } from "node:test";
import { MemoryStore } from "../src/broker/memory-store.js";
import { type Connected, Persistence } from "../src/broker/persistence.js";

type Body = (t: unknown) => Promise<void>;
const abstract = createRequire(import.meta.url)("aedes-persistence/abstract.js") as (options: object) => void;

/**
 * Asserts that the payload of a QoS 2 message is kept after it was passed on. Of the two methods that MQTT 3.1.1, 4.3.3,
 * leaves to a receiver, the broker has the one that keeps the packet identifier alone.
 */
const LEFT_OUT = "add incoming packet, get it, and clear with messageId";

const nobody: Connected = {
  sessionOf: () => undefined,
  holdsId: () => false,
  sessionEnded: () => {},
  unsubscribe: () => {},
  acknowledged: () => {},
};

abstract({
  test: (name: string, body: Body) => (name === LEFT_OUT ? null : test(`store: ${name}`, body)),
  persistence: () => new Persistence(new MemoryStore(), nobody),
  testAsync: true,
});
