import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { Transform, type TransformCallback } from "node:stream";
import { resetSocket } from "../util/reset-socket.js";

/** Where one end of a link is reached. */
export interface Endpoint {
  host: string;
  port: number;
}

const LOOPBACK = "127.0.0.1";

/**
 * Relays the connections of one client to its broker. While the link is cut, no data passes, no socket closes, and new
 * connections get no answer. The proxy then reads only a few kilobytes of the data that either side sends.
 */
export class LinkProxy {
  readonly #server = createServer({ noDelay: true }, client => this.#accept(client));
  readonly #connections = new Set<ProxiedConnection>();
  #port = 0;
  #isCut = false;
  private constructor(private readonly broker: () => Endpoint) {}

  /** @param broker called for each connection */
  static async to(broker: () => Endpoint): Promise<LinkProxy> {
    const link = new LinkProxy(broker);
    link.#server.listen(0, LOOPBACK);
    await once(link.#server, "listening");
    link.#port = (link.#server.address() as AddressInfo).port;
    return link;
  }

  /** The client's end. */
  get endpoint(): Endpoint {
    return { host: LOOPBACK, port: this.#port };
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  get isUsed(): boolean {
    return this.#connections.size > 0;
  }

  cut(): void {
    this.#isCut = true;
    for (const connection of this.#connections) connection.cut();
  }

  mend(): void {
    this.#isCut = false;
    for (const connection of this.#connections) connection.mend();
  }

  /** Drops the data that a cut link holds back, as when the client's machine loses its power. */
  clientEnded(): void {
    if (this.#isCut) for (const connection of this.#connections) connection.dropClient();
  }

  /** Resets all connections and refuses new ones, as when the broker fails. */
  close(): void {
    this.#server.close();
    for (const connection of this.#connections) connection.reset();
  }

  #accept(client: Socket): void {
    const connection = new ProxiedConnection(client, this.broker, () => this.#connections.delete(connection));
    this.#connections.add(connection);
    if (this.#isCut) connection.cut();
    else connection.mend();
  }
}

class ProxiedConnection {
  /** Null if the link is cut and the broker has not seen this connection yet. */
  #broker: Socket | null = null;
  #isCut = false;
  readonly #toBroker = new Valve();
  readonly #toClient = new Valve();

  constructor(
    private readonly client: Socket,
    private readonly endpoint: () => Endpoint,
    private readonly onClose: () => void,
  ) {
    this.#watch(client);
    client.pipe(this.#toBroker);
    this.#toClient.pipe(client);
  }

  cut(): void {
    this.#isCut = true;
    this.#toBroker.shut();
    this.#toClient.shut();
  }

  mend(): void {
    this.#isCut = false;
    if (this.client.destroyed || this.#broker?.errored) return this.reset();
    this.#broker ??= this.#connect();
    this.#toBroker.open();
    this.#toClient.open();
  }

  dropClient(): void {
    this.client.destroy();
  }

  reset(): void {
    resetSocket(this.client);
    if (this.#broker) resetSocket(this.#broker);
    this.onClose();
  }

  #connect(): Socket {
    const { host, port } = this.endpoint();
    const broker = connect({ host, port, noDelay: true });
    this.#watch(broker);
    this.#toBroker.pipe(broker).pipe(this.#toClient);
    return broker;
  }

  /** Passes a reset on to the other side. The valves pass data and the end of a stream only. */
  #watch(socket: Socket): void {
    socket.on("error", () => this.#isCut || this.reset());
    socket.on("close", () => this.client.destroyed && this.#broker?.destroyed && this.onClose());
  }
}

/** Passes data and the end of the stream. While it is shut, it holds both back, and backpressure stops the sender. */
class Valve extends Transform {
  #isOpen = true;
  #pending: (() => void) | null = null;

  open(): void {
    this.#isOpen = true;
    const pass = this.#pending;
    this.#pending = null;
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
    else this.#pending = pass;
  }
}
