import { createRequire } from "node:module";
import { test } from "node:test";
import { MemoryStore } from "../src/broker/memory-store.js";
import { Persistence } from "../src/broker/persistence.js";

type Body = (t: unknown) => Promise<void>;
const abstract = createRequire(import.meta.url)("aedes-persistence/abstract.js") as (options: object) => void;

/** What aedes-persistence asserts and MQTT 3.1.1 does not want. */
const LEFT_OUT: Record<string, string> = {
  "add incoming packet, get it, and clear with messageId":
    "asks for the payload of a QoS 2 message that was passed on already: only its packet identifier is kept [MQTT-4.3.3-2]",
};

abstract({
  test: (name: string, body: Body) => test(`store: ${name}`, { skip: LEFT_OUT[name] ?? false }, body),
  persistence: () => new Persistence(new MemoryStore()),
  testAsync: true,
});
