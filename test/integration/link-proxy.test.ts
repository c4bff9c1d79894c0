import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { resetSocket } from "../../src/util/reset-socket.js";
import { LinkProxy } from "../../src/link/link-proxy.js";
import { WaitableList } from "../support/waitable-list.js";
import { tcpServer } from "../support/servers.js";

/** Opens a link to a server that records each connection. */
async function openLink(t: TestContext) {
  const accepted = new WaitableList<Recorder>();
  const port = await tcpServer(t, socket => accepted.push(new Recorder(socket)));
  const link = await LinkProxy.to(() => ({ host: "127.0.0.1", port }));
  t.after(() => link.close());
  const connectClient = () => {
    const client = new Recorder(connect(link.endpoint.port, link.endpoint.host));
    t.after(() => client.socket.destroy());
    return client;
  };
  const broker = (number = 1) => accepted.waitFor(`connection ${number}`, () => accepted.items[number - 1]);
  return { link, connectClient, broker, accepted };
}

/** Records what one end receives. */
class Recorder {
  readonly events = new WaitableList<string>();
  text = "";
  bytes = 0;

  constructor(readonly socket: Socket) {
    socket.on("data", (data: Buffer) => {
      this.bytes += data.length;
      if (this.bytes < 100) this.text += data.toString();
      this.events.push("data");
    });
    socket.on("error", (error: NodeJS.ErrnoException) => this.events.push(error.code ?? "error"));
    socket.on("close", () => this.events.push("close"));
  }

  hasText(text: string): Promise<true> {
    return this.events.waitFor(text, () => this.text === text || undefined);
  }

  hasEvent(event: string): Promise<true> {
    return this.events.waitFor(event, () => this.events.items.includes(event) || undefined);
  }
}

/** Sends bytes both ways on another connection of this event loop. Bytes on the link would arrive in that time. */
async function roundTrips(t: TestContext): Promise<void> {
  const port = await tcpServer(t, socket => socket.pipe(socket));
  const echo = connect(port, "127.0.0.1");
  for (let i = 0; i < 20; i++) {
    echo.write("x");
    await once(echo, "data");
  }
  echo.destroy();
}

test("a link relays both ways", async t => {
  const { connectClient, broker } = await openLink(t);
  const client = connectClient();
  client.socket.write("there");
  const server = await broker();
  await server.hasText("there");
  server.socket.write("and back");
  await client.hasText("and back");
  client.socket.end("bye");
  await server.hasText("therebye");
  await client.hasEvent("close");
});

test("while the link is cut, no data passes and no socket closes; when it is mended, data passes in order", async t => {
  const { link, connectClient, broker } = await openLink(t);
  const client = connectClient();
  client.socket.write("1");
  const server = await broker();
  await server.hasText("1");
  link.cut();
  client.socket.write("2");
  server.socket.write("3");
  await roundTrips(t);
  client.socket.write("4");
  await roundTrips(t);
  assert.deepEqual([client.text, server.text], ["", "1"]);
  assert.deepEqual([client.events.items, server.events.items], [[], ["data"]]);
  link.mend();
  await server.hasText("124");
  await client.hasText("3");
});

test("a closed link resets both ends and refuses new connections", async t => {
  const { link, connectClient, broker } = await openLink(t);
  assert.equal(link.isUsed, false);
  const client = connectClient();
  client.socket.write("1");
  const server = await broker();
  await server.hasText("1");
  assert.equal(link.isUsed, true);
  link.close();
  await Promise.all([client.hasEvent("ECONNRESET"), server.hasEvent("ECONNRESET")]);
  await connectClient().hasEvent("ECONNREFUSED");
  assert.equal(link.isUsed, false);
});

test("a new connection gets no answer from a cut link, and reaches the broker when the link is mended", async t => {
  const { link, connectClient, broker, accepted } = await openLink(t);
  link.cut();
  const abandoned = connectClient();
  abandoned.socket.write("old");
  await roundTrips(t);
  abandoned.socket.destroy();
  const client = connectClient();
  client.socket.write("new");
  await roundTrips(t);
  assert.deepEqual([accepted.items.length, client.events.items], [0, []]);
  link.mend();
  const server = await broker();
  await server.hasText("new");
  await roundTrips(t);
  assert.equal(accepted.items.length, 1);
});

test("a client that ends while its link is cut loses the data it sent; the broker sees the end when the link is mended", async t => {
  const { link, connectClient, broker } = await openLink(t);
  const client = connectClient();
  client.socket.write("1");
  const server = await broker();
  await server.hasText("1");
  link.cut();
  client.socket.write(Buffer.alloc(8 * 1024 * 1024)); // more than the link reads, so that it does not see the end
  await roundTrips(t);
  link.clientEnded();
  await roundTrips(t);
  assert.deepEqual(server.events.items, ["data"]);
  link.mend();
  await server.hasEvent("close");
  assert.equal(server.text, "1");
  assert.ok(server.events.items.includes("ECONNRESET"));
});

test("a reset is passed on, at once or when the link is mended", async t => {
  const { link, connectClient, broker } = await openLink(t);
  const client = connectClient();
  client.socket.write("1");
  const server = await broker();
  await server.hasText("1");
  client.socket.resetAndDestroy();
  await server.hasEvent("ECONNRESET");
  const second = connectClient();
  const secondServer = await broker(2);
  link.cut();
  secondServer.socket.resetAndDestroy();
  await roundTrips(t);
  assert.deepEqual(second.events.items, []);
  link.mend();
  await second.hasEvent("ECONNRESET");
});

test("a cut link reads only a few kilobytes of endless data", async t => {
  const { link, connectClient, broker } = await openLink(t);
  const client = connectClient();
  const server = await broker();
  link.cut();
  const chunk = Buffer.alloc(64 * 1024);
  const CHUNKS = 512; // 32 MiB: more than the system's buffers
  for (let i = 0; i < CHUNKS; i++) client.socket.write(chunk);
  await roundTrips(t);
  const before = client.socket.bytesWritten - client.socket.writableLength;
  await roundTrips(t);
  assert.equal(client.socket.bytesWritten - client.socket.writableLength, before);
  assert.ok(client.socket.writableLength > 0, "the system's own buffers took all of it");
  assert.equal(server.bytes, 0);
  link.mend();
  await server.events.waitFor("all of it", () => server.bytes === CHUNKS * chunk.length || undefined);
});

test("close ends all connections of a cut link", async t => {
  const { link, connectClient, broker } = await openLink(t);
  const client = connectClient();
  const server = await broker();
  link.cut();
  const waiting = connectClient();
  await once(waiting.socket, "connect");
  await roundTrips(t);
  link.close();
  await Promise.all([client.hasEvent("close"), server.hasEvent("close"), waiting.hasEvent("close")]);
});

test("a connection that is just ending can be reset: Node would keep it (EINVAL) and never exit", async t => {
  await new Promise<void>((resolve, reject) => {
    void tcpServer(t, socket => {
      socket.on("error", reject).on("close", resolve).end();
      process.nextTick(() => process.nextTick(() => resetSocket(socket))); // the shutdown is under way
    }).then(port => connect(port, "127.0.0.1").resume());
  });
});
