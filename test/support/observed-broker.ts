import type { TestContext } from "node:test";
import { type BrokerSettings, type RunningBroker, startBroker } from "../../src/broker/start-broker.js";
import type { BrokerEvent, QoS } from "../../src/events/events.js";
import { type ConnectOptions, RawClient } from "./raw-client.js";
import { WaitableList } from "./waitable-list.js";

/** A broker in the test's process, with its events. It ends with the test. */
export class ObservedBroker {
  readonly #events = new WaitableList<BrokerEvent>();
  readonly #t: TestContext;
  #running: RunningBroker | null = null;

  private constructor(t: TestContext) {
    this.#t = t;
  }

  static async start(t: TestContext, settings: Partial<BrokerSettings> = {}): Promise<ObservedBroker> {
    const broker = new ObservedBroker(t);
    broker.#running = await startBroker({ host: "127.0.0.1", port: 0, ...settings }, event =>
      broker.#events.push(event),
    );
    t.after(() => broker.close());
    return broker;
  }

  get port(): number {
    return this.#running?.port ?? 0;
  }

  async close(): Promise<void> {
    await this.#running?.close();
  }

  connect(clientId: string, options: Omit<ConnectOptions, "clientId"> = {}): Promise<RawClient> {
    return RawClient.connect(this.#t, this.port, { clientId, ...options });
  }

  /** Sends CONNECT, and packets behind it that do not wait for CONNACK. */
  start(clientId: string, options: Omit<ConnectOptions, "clientId"> = {}, more?: Buffer): RawClient {
    return RawClient.start(this.#t, this.port, { clientId, ...options }, more);
  }

  /** Sends these bytes, which need not be MQTT. */
  send(bytes: Buffer): RawClient {
    return RawClient.send(this.#t, this.port, bytes);
  }

  /** Resolves with a client that is subscribed. */
  async watcher(topicFilter: string, qos: QoS = 1): Promise<RawClient> {
    const watcher = await this.connect("watcher");
    await watcher.subscribe(topicFilter, qos);
    return watcher;
  }

  all<Name extends BrokerEvent["event"]>(name: Name, clientId?: string) {
    const found = this.#events.items.filter(
      each =>
        each.event === name && (clientId === undefined || ("clientId" in each && each.clientId === clientId)),
    );
    return found as Extract<BrokerEvent, { event: Name }>[];
  }

  /** Resolves with the client's event of that name: the first one by default. */
  event<Name extends BrokerEvent["event"]>(name: Name, clientId: string, nth = 1) {
    return this.#events.waitFor(`${name} of ${clientId}`, () => this.all(name, clientId)[nth - 1]);
  }

  /** Resolves when the condition holds. */
  waitFor(what: string, isSo: () => boolean): Promise<true> {
    return this.#events.waitFor(what, () => isSo() || undefined);
  }

  /** Resolves when the broker has ended the connection and stored the session. */
  async dropped(client: RawClient, clientId: string, nth = 1) {
    client.socket.resetAndDestroy();
    return this.event("session-stored", clientId, nth);
  }
}
