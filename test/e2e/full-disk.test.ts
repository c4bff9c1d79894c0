import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, rmdirSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import type { SentSummary } from "../../src/events/events.js";
import { command, freePort, lwtBroker } from "../support/processes.js";
import { field, packet, PacketType, uint16 } from "../support/packets.js";
import { RawClient } from "../support/raw-client.js";

/** A disk of 2 MB; null where this user may not make one. */
function smallDisk(t: TestContext): string | null {
  const disk = mkdtempSync(path.join(tmpdir(), "lwt-test-"));
  let isMounted = false;
  t.after(() => {
    // Lazily, since a broker may still be ending.
    if (isMounted) execFileSync("umount", ["--lazy", disk]);
    rmdirSync(disk);
  });
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], { stdio: "ignore" });
    isMounted = true;
  } catch {
    return null;
  }
  return disk;
}

const SIZE = 10_000;
/** More than fit. */
const MOST = 400;

const payload = (i: number) => `${i} `.padEnd(SIZE, "x");

const pubacks = (client: RawClient) =>
  client.packets.items.filter(({ type }) => type === PacketType.puback).length;

const publishPacket = (i: number, text: string) => packet(0x32, field("a"), uint16(i), Buffer.from(text));

/** Messages that wait for their acknowledgment at once. */
const WINDOW = 20;

/** Publishes until the connection is closed. @returns how many were acknowledged */
async function fill(t: TestContext, port: number): Promise<number> {
  const publisher = await RawClient.connect(t, port, { clientId: "publisher" });
  for (let i = 1; i <= MOST && !publisher.socket.destroyed; i++) {
    publisher.socket.write(publishPacket(i, payload(i)));
    if (i % WINDOW === 0) await publisher.packet("PUBACK", PacketType.puback, i).catch(() => {});
  }
  await publisher.closed;
  return pubacks(publisher);
}

/** @returns whether it was acknowledged */
async function publishOnce(t: TestContext, port: number, text: string): Promise<boolean> {
  const publisher = await RawClient.connect(t, port, { clientId: "again" });
  publisher.socket.write(publishPacket(1, text));
  await Promise.race([publisher.closed, once(publisher.socket, "data")]);
  publisher.socket.destroy();
  return pubacks(publisher) === 1;
}

test("a full disk: the publisher is disconnected without an acknowledgment, the rest is served, and it recovers", async t => {
  const folder = smallDisk(t);
  if (folder === null) return t.skip("mounting is not allowed here");
  const args = ["--data", folder] as const;
  const broker = await lwtBroker(t, ...args);
  await leaveSubscription(t, broker.port);

  const acknowledged = await fill(t, broker.port);
  assert.ok(acknowledged > 100);
  await broker.process.event("client-disconnected", { clientId: "publisher", cause: "limit" });
  await broker.process.event("warning", { code: "store-full" });

  // What has not to be kept goes on, and so does what is sent and acknowledged of what was.
  const watcher = await RawClient.connect(t, broker.port, { clientId: "watcher" });
  await watcher.subscribe("live", 1);
  await watcher.publish("live", "at QoS 1, for a clean session", 1);
  await watcher.message("at QoS 1, for a clean session");
  const resumed = await RawClient.connect(t, broker.port, { clientId: "subscriber", clean: false });
  await resumed.message(payload(acknowledged));
  const expected = Array.from({ length: acknowledged }, (_, i) => payload(i + 1));
  assert.deepEqual(
    resumed.publishes.items.slice(0, acknowledged).map(({ payload }) => payload),
    expected,
  );
  await resumed.ping();

  // The room that these took is free again: a publisher that comes back succeeds, at the latest when that is noticed.
  while (!(await publishOnce(t, broker.port, "after")));
  await broker.process.event("warning", { code: "store-room-again" });
  await resumed.message("after");
  const { bavail, bsize } = statfsSync(folder);
  assert.ok(bavail * bsize > 1_000_000, "what is not needed any more has gone");

  broker.process.child.kill("SIGKILL");
  await broker.process.ended;
  const next = await lwtBroker(t, ...args);
  assert.ok((await next.process.event("store-opened")).messages <= 1);
});

test("a disk that is full at a kill keeps all that was acknowledged", async t => {
  const folder = smallDisk(t);
  if (folder === null) return t.skip("mounting is not allowed here");
  const broker = await lwtBroker(t, "--data", folder);
  await leaveSubscription(t, broker.port);
  const acknowledged = await fill(t, broker.port);
  broker.process.child.kill("SIGKILL");
  await broker.process.ended;
  const next = await lwtBroker(t, "--data", folder);
  // An acknowledgment may be on its way when the connection is closed.
  assert.ok((await next.process.event("store-opened")).messages >= acknowledged);
});

/** A stored session that is away. */
async function leaveSubscription(t: TestContext, port: number): Promise<void> {
  const subscriber = await RawClient.connect(t, port, { clientId: "subscriber", clean: false });
  await subscriber.subscribe("a", 1);
  subscriber.disconnect();
  await subscriber.ended();
}

/** Takes all the room that there is. */
function fillUp(file: string): void {
  const block = Buffer.alloc(4096, "x");
  try {
    for (;;) appendFileSync(file, block);
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
  }
}

test("with not a byte left, what is stored is still sent and acknowledged; with room, messages are taken again", async t => {
  const folder = smallDisk(t);
  if (folder === null) return t.skip("mounting is not allowed here");
  const broker = await lwtBroker(t, "--data", folder);
  await leaveSubscription(t, broker.port);
  const publisher = await RawClient.connect(t, broker.port, { clientId: "publisher" });
  const count = 3000; // so that what is recorded of them does not fit into what is left of a block
  for (let i = 1; i <= count; i++) publisher.socket.write(publishPacket(i, `message ${i}`));
  await publisher.packet("the last PUBACK", PacketType.puback, count);
  const filler = path.join(folder, "filler");
  fillUp(filler);
  for (let i = 0; await publishOnce(t, broker.port, "refused"); i++) assert.ok(i < 100, "it fits in a block");
  await broker.process.event("warning", { code: "store-full" });
  const resumed = await RawClient.connect(t, broker.port, { clientId: "subscriber", clean: false });
  await resumed.message(`message ${count}`);
  await resumed.ping();
  rmSync(filler);
  while (!(await publishOnce(t, broker.port, "after")));
  await broker.process.event("warning", { code: "store-room-again" });
  await resumed.message("after");
});

test("an outbox on a full disk: the run ends, what is kept is sent by the next one, and then there is room again", async t => {
  const folder = smallDisk(t);
  if (folder === null) return t.skip("mounting is not allowed here");
  const publisher = (port: number, ...args: string[]) =>
    command(t, "pub-lwt", ["-p", String(port), "--outbox", folder, "--no-status", ...args], { input: "" });
  const summaryOf = (run: ReturnType<typeof publisher>) =>
    run.all("summary")[0]?.machines[0] as SentSummary | undefined;

  const away = publisher(await freePort(), "-m", payload(0), "-C", String(MOST), "--interval", "0.001");
  assert.equal(await away.exit(), 1);
  const { message, hint } = await away.event("error", { code: "outbox-no-room" });
  assert.match(message, /cannot store a message in .*, so it was not sent: .*/);
  assert.match(hint, /same --outbox/);
  const kept = summaryOf(away)?.inOutbox ?? 0;
  assert.ok(kept > 100, `${kept} kept`);

  const { port } = await lwtBroker(t);
  const next = publisher(port, "-l");
  assert.equal(await next.exit(), 0);
  assert.deepEqual([summaryOf(next)?.sent, summaryOf(next)?.inOutbox], [kept, 0]);
  // Acknowledgments for which there was no room any more are not on disk: what they are of is sent once more.
  for (let round = 0; (await publisher(port, "-m", payload(0), "-C", "100").exit()) !== 0; round++) {
    assert.ok(round < 2, "there is no room again");
    assert.equal(await publisher(port, "-l").exit(), 0);
  }
});
