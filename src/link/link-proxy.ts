import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { Transform, type TransformCallback } from "node:stream";
import { type BrokerAddress, urlOf } from "../connection/broker-url.js";
import { resetSocket } from "../util/reset-socket.js";

const LOOPBACK = "127.0.0.1";

/**
 * What lies between one process and the broker: a relay on this machine. While it is cut nothing passes, and neither side
 * is told: no socket is closed, new connections get no answer, and what is sent is read no further than a few kilobytes.
 */
export class LinkProxy {
  readonly #server = createServer({ noDelay: true }, client => this.#carry(client));
  readonly #connections = new Set<Carried>();
  #port = 0;
  #isCut = false;
  private constructor(private readonly broker: () => BrokerAddress) {}

  /** @param broker where it leads to, asked for each connection */
  static async to(broker: () => BrokerAddress): Promise<LinkProxy> {
    const cable = new LinkProxy(broker);
    cable.#server.listen(0, LOOPBACK);
    await once(cable.#server, "listening");
    cable.#port = (cable.#server.address() as AddressInfo).port;
    return cable;
  }

  /** Its near end, as the process names the broker. */
  get url(): string {
    return urlOf({ ...this.broker(), host: LOOPBACK, port: this.#port });
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  cut(): void {
    this.#isCut = true;
    for (const connection of this.#connections) connection.cut();
  }

  /** Whether the process is connected by it. */
  get isUsed(): boolean {
    return this.#connections.size > 0;
  }

  /** As where the broker has died: connections are reset, and new ones refused, for good. */
  fail(): void {
    this.#server.close();
    for (const connection of this.#connections) connection.reset();
  }

  mend(): void {
    this.#isCut = false;
    for (const connection of this.#connections) connection.mend();
  }

  /** What had not got through a cut cable is gone with the process, as with a machine that has lost its power. */
  processEnded(): void {
    if (this.#isCut) for (const connection of this.#connections) connection.clientEnded();
  }

  close(): void {
    this.#server.close();
    for (const connection of this.#connections) connection.reset();
  }

  #carry(client: Socket): void {
    const connection = new Carried(client, this.broker, () => this.#connections.delete(connection));
    this.#connections.add(connection);
    if (this.#isCut) connection.cut();
    else connection.mend();
  }
}

/** One connection, in two halves. */
class Carried {
  /** Null: the cable is cut, and the broker has not heard of it. */
  #broker: Socket | null = null;
  #isCut = false;
  readonly #out = new Gate();
  readonly #back = new Gate();

  constructor(
    private readonly client: Socket,
    private readonly address: () => BrokerAddress,
    private readonly over: () => void,
  ) {
    this.#watch(client);
    client.pipe(this.#out);
    this.#back.pipe(client);
  }

  cut(): void {
    this.#isCut = true;
    this.#out.shut();
    this.#back.shut();
  }

  mend(): void {
    this.#isCut = false;
    if (this.client.destroyed || this.#broker?.errored) return this.reset();
    this.#broker ??= this.#connect();
    this.#out.open();
    this.#back.open();
  }

  clientEnded(): void {
    this.client.destroy();
  }

  reset(): void {
    resetSocket(this.client);
    if (this.#broker) resetSocket(this.#broker);
    this.over();
  }

  #connect(): Socket {
    const { host, port } = this.address();
    const broker = connect({ host, port, noDelay: true });
    this.#watch(broker);
    this.#out.pipe(broker).pipe(this.#back);
    return broker;
  }

  /** An end passes through the gates as bytes do; a reset has to be carried over. */
  #watch(socket: Socket): void {
    socket.on("error", () => this.#isCut || this.reset());
    socket.on("close", () => this.client.destroyed && this.#broker?.destroyed && this.over());
  }
}

/** Lets bytes and the end pass, or keeps them waiting, and with them whoever sends more. */
class Gate extends Transform {
  #isOpen = true;
  #waiting: (() => void) | null = null;

  open(): void {
    this.#isOpen = true;
    const pass = this.#waiting;
    this.#waiting = null;
    pass?.();
  }

  shut(): void {
    this.#isOpen = false;
  }

  override _transform(bytes: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#whenOpen(() => done(null, bytes));
  }

  override _flush(done: TransformCallback): void {
    this.#whenOpen(() => done());
  }

  #whenOpen(pass: () => void): void {
    if (this.#isOpen) pass();
    else this.#waiting = pass;
  }
}
