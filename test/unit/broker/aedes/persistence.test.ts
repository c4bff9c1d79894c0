import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { JournaledStore } from "../../../../src/broker/store/journaled/journaled-store.js";
import { MemoryStore } from "../../../../src/broker/store/memory-store.js";
import { type Connected, Persistence } from "../../../../src/broker/aedes/persistence.js";
import type { Store } from "../../../../src/broker/store/store.js";

type Body = (t: unknown) => Promise<void>;
const abstract = createRequire(import.meta.url)("aedes-persistence/abstract.js") as (options: object) => void;

/**
 * Asserts that the payload of a QoS 2 message is kept after it was passed on. Of the two methods that MQTT 3.1.1, 4.3.3,
 * leaves to a receiver, the broker has the one that keeps the packet identifier alone.
 */
const LEFT_OUT = "add incoming packet, get it, and clear with messageId";

const nobody: Connected = {
  sessionOf: () => undefined,
  userOf: () => null,
  holdsId: () => false,
  sessionEnded: () => {},
  unsubscribe: () => {},
  acknowledged: () => {},
};

const folder = mkdtempSync(path.join(tmpdir(), "lwt-test-"));
const opened: Store[] = [];
after(async () => {
  await Promise.all(opened.map(store => store.close()));
  rmSync(folder, { recursive: true });
});

async function durableStore(): Promise<Store> {
  const own = mkdtempSync(path.join(folder, "store-"));
  const { store } = await JournaledStore.open(
    { folder: own, sync: "write" },
    { trouble: () => {}, damaged: () => {} },
  );
  opened.push(store);
  return store;
}

const stores: Record<string, () => Store | Promise<Store>> = {
  "in memory": () => new MemoryStore(),
  "on disk": durableStore,
};

for (const [where, store] of Object.entries(stores))
  abstract({
    test: (name: string, body: Body) => (name === LEFT_OUT ? null : test(`store ${where}: ${name}`, body)),
    persistence: async () => new Persistence(await store(), nobody),
    testAsync: true,
  });
