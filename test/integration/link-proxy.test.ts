import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { resetSocket } from "../../src/util/reset-socket.js";
import { LinkProxy } from "../../src/link/link-proxy.js";
import { Seen } from "../support/raw-client.js";
import { tcpServer } from "../support/servers.js";

/** A broker's side that shows each connection, and a cable that leads there. */
async function laid(t: TestContext) {
  const accepted = new Seen<Far>();
  const port = await tcpServer(t, socket => accepted.push(new Far(socket)));
  const cable = await LinkProxy.to(() => ({
    ...NOBODY,
    scheme: "ws",
    host: "127.0.0.1",
    port,
    path: "/mqtt",
  }));
  t.after(() => cable.close());
  const plug = () => {
    const near = new Far(connect(Number(new URL(cable.url).port), "127.0.0.1"));
    t.after(() => near.socket.destroy());
    return near;
  };
  const broker = (number = 1) => accepted.until(`connection ${number}`, () => accepted.items[number - 1]);
  return { cable, plug, broker, accepted };
}

const NOBODY = { username: null, password: null };

/** One end, and what has come to it. */
class Far {
  readonly events = new Seen<string>();
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

  has(text: string): Promise<true> {
    return this.events.until(text, () => this.text === text || undefined);
  }

  is(event: string): Promise<true> {
    return this.events.until(event, () => this.events.items.includes(event) || undefined);
  }
}

/** Both directions of another connection by the same event loop: by then a byte would have come. */
async function aWhile(t: TestContext): Promise<void> {
  const port = await tcpServer(t, socket => socket.pipe(socket));
  const echo = connect(port, "127.0.0.1");
  for (let i = 0; i < 20; i++) {
    echo.write("x");
    await once(echo, "data");
  }
  echo.destroy();
}

test("a cable has the broker's scheme and path, and carries both ways", async t => {
  const { cable, plug, broker } = await laid(t);
  assert.match(cable.url, /^ws:\/\/127\.0\.0\.1:\d+\/mqtt$/);
  const near = plug();
  near.socket.write("there");
  const far = await broker();
  await far.has("there");
  far.socket.write("and back");
  await near.has("and back");
  near.socket.end("bye");
  await far.has("therebye");
  await near.is("close");
});

test("cut, nothing passes either way and nobody is told; mended, it passes in order", async t => {
  const { cable, plug, broker } = await laid(t);
  const near = plug();
  near.socket.write("1");
  const far = await broker();
  await far.has("1");
  cable.cut();
  near.socket.write("2");
  far.socket.write("3");
  await aWhile(t);
  near.socket.write("4");
  await aWhile(t);
  assert.deepEqual([near.text, far.text], ["", "1"]);
  assert.deepEqual([near.events.items, far.events.items], [[], ["data"]]);
  cable.mend();
  await far.has("124");
  await near.has("3");
});

test("where the broker fails, both ends are reset, and new connections are refused", async t => {
  const { cable, plug, broker } = await laid(t);
  assert.equal(cable.isUsed, false);
  const near = plug();
  near.socket.write("1");
  const far = await broker();
  await far.has("1");
  assert.equal(cable.isUsed, true);
  cable.fail();
  await Promise.all([near.is("ECONNRESET"), far.is("ECONNRESET")]);
  await plug().is("ECONNREFUSED");
  assert.equal(cable.isUsed, false);
});

test("a new connection gets no answer from a cut cable, and the broker does not hear of it before it is mended", async t => {
  const { cable, plug, broker, accepted } = await laid(t);
  cable.cut();
  const gaveUp = plug();
  gaveUp.socket.write("old");
  await aWhile(t);
  gaveUp.socket.destroy();
  const near = plug();
  near.socket.write("new");
  await aWhile(t);
  assert.deepEqual([accepted.items.length, near.events.items], [0, []]);
  cable.mend();
  const far = await broker();
  await far.has("new");
  await aWhile(t);
  assert.equal(accepted.items.length, 1);
});

test("a process that ends while its cable is cut takes along what it has sent; the broker sees that when it is mended", async t => {
  const { cable, plug, broker } = await laid(t);
  const near = plug();
  near.socket.write("1");
  const far = await broker();
  await far.has("1");
  cable.cut();
  near.socket.write(Buffer.alloc(8 * 1024 * 1024)); // more than is read, so that its end can't be seen
  await aWhile(t);
  cable.processEnded();
  await aWhile(t);
  assert.deepEqual(far.events.items, ["data"]);
  cable.mend();
  await far.is("close");
  assert.equal(far.text, "1");
  assert.ok(far.events.items.includes("ECONNRESET"));
});

test("a reset is carried over, at once or when the cable is mended", async t => {
  const { cable, plug, broker } = await laid(t);
  const near = plug();
  near.socket.write("1");
  const far = await broker();
  await far.has("1");
  near.socket.resetAndDestroy();
  await far.is("ECONNRESET");
  const second = plug();
  const itsFar = await broker(2);
  cable.cut();
  itsFar.socket.resetAndDestroy();
  await aWhile(t);
  assert.deepEqual(second.events.items, []);
  cable.mend();
  await second.is("ECONNRESET");
});

test("what a cut cable is sent without end is read no further than a few kilobytes", async t => {
  const { cable, plug, broker } = await laid(t);
  const near = plug();
  const far = await broker();
  cable.cut();
  const chunk = Buffer.alloc(64 * 1024);
  const CHUNKS = 512; // 32 MiB: more than the system takes
  for (let i = 0; i < CHUNKS; i++) near.socket.write(chunk);
  await aWhile(t);
  const before = near.socket.bytesWritten - near.socket.writableLength;
  await aWhile(t);
  assert.equal(near.socket.bytesWritten - near.socket.writableLength, before);
  assert.ok(near.socket.writableLength > 0, "the system's own buffers took all of it");
  assert.equal(far.bytes, 0);
  cable.mend();
  await far.events.until("all of it", () => far.bytes === CHUNKS * chunk.length || undefined);
});

test("at the end of a lesson no connection is left, cut or not", async t => {
  const { cable, plug, broker } = await laid(t);
  const near = plug();
  const far = await broker();
  cable.cut();
  const waiting = plug();
  await once(waiting.socket, "connect");
  await aWhile(t);
  cable.close();
  await Promise.all([near.is("close"), far.is("close"), waiting.is("close")]);
});

test("a connection that is just ending can be reset: Node would keep it (EINVAL), and never exit", async t => {
  await new Promise<void>((resolve, reject) => {
    void tcpServer(t, socket => {
      socket.on("error", reject).on("close", resolve).end();
      process.nextTick(() => process.nextTick(() => resetSocket(socket))); // by now its shutdown is on its way
    }).then(port => connect(port, "127.0.0.1").resume());
  });
});
