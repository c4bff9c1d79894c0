import { type BrokerAddress, parseAddress, urlOf } from "../../protocol/broker-url.js";
import type { LessonEvent } from "../../events/events.js";
import { LinkProxy } from "../../link/link-proxy.js";
import type { Step } from "../language/step-schema.js";
import type { RunBroker } from "./command-line.js";
import type { EventOrderer } from "./event-orderer.js";
import { brokersOf } from "./probe-broker.js";

type LinkState = Extract<LessonEvent, { event: "link" }>["state"];

interface Link {
  proxy: LinkProxy;
  broker: () => BrokerAddress;
}

/** The links between a lesson's clients and their brokers. A client that no step cuts off has no link. */
export class LessonLinks {
  readonly #links = new Map<string, readonly Link[]>();

  constructor(
    private readonly steps: readonly Step[],
    private readonly broker: RunBroker,
    private readonly orderer: EventOrderer,
  ) {}

  /** Opens a client's links: one to each broker of a failover, or one to its broker. */
  async open(client: string): Promise<void> {
    if (this.#links.has(client)) return;
    const urls = this.#urlsFor(client);
    this.#links.set(client, await Promise.all(urls.map(openLink)));
  }

  /** Returns the URLs by which a client reaches its links, or an empty text if it has none. */
  urlOf(client: string): string {
    return this.#linksOf(client)
      .map(({ proxy, broker }) => urlOf({ ...broker(), ...proxy.endpoint }))
      .join(",");
  }

  /** Reports the new state ahead of all events that the state causes. */
  async setState(client: string, state: LinkState): Promise<void> {
    const proxies = this.#linksOf(client).map(({ proxy }) => proxy);
    const used = proxies.filter(({ isUsed }) => isUsed);
    if (state === "failed" && used.length === 0)
      throw new Error(`${client} is connected to no broker that could fail`);
    const event = { time: new Date().toISOString(), event: "link", process: client, state } as const;
    const added = this.orderer.add(event);
    if (state === "failed") for (const proxy of used) proxy.close();
    else for (const proxy of proxies) proxy[state === "cut" ? "cut" : "mend"]();
    await added;
    await this.orderer.passed(each => each === event);
  }

  clientEnded(client: string): void {
    for (const { proxy } of this.#linksOf(client)) proxy.clientEnded();
  }

  async mendAll(): Promise<void> {
    for (const [client, links] of this.#links)
      if (links.some(({ proxy }) => proxy.isCut)) await this.setState(client, "mended");
  }

  close(): void {
    for (const { proxy } of [...this.#links.values()].flat()) proxy.close();
  }

  #linksOf(client: string): readonly Link[] {
    return this.#links.get(client) ?? [];
  }

  #urlsFor(client: string): (() => string)[] {
    if (this.steps.some(step => step.kind === "failover" && step.failover === client))
      return brokersOf(this.broker.external).map(url => () => url);
    const isCut = this.steps.some(step => step.kind === "cut" && step.cut === client);
    return isCut ? [() => this.broker.connectedUrl] : [];
  }
}

async function openLink(url: () => string): Promise<Link> {
  const broker = () => parseAddress(url()) as BrokerAddress;
  return { proxy: await LinkProxy.to(broker), broker };
}
