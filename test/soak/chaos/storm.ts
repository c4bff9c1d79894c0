import { existsSync, watch } from "node:fs";
import path from "node:path";
import { setTimeout as passes } from "node:timers/promises";
import { freePort } from "../../support/processes.js";
import { RawClient } from "../../support/raw-client.js";
import { type BrokerKind, ChaosBroker } from "./brokers.js";
import { type Scene, WILL_TOPIC } from "./client.js";
import { contentOf, Ledger } from "./ledger.js";
import { ProcessPublisher } from "./process-publisher.js";
import { Publisher } from "./publisher.js";
import { Random } from "./random.js";
import { MARKER, Subscriber, type SubscriberKind } from "./subscriber.js";

/** Milliseconds for everything to drain in, and for a file to come or go. */
const TIMEOUT_MS = 15_000;
const TIDYING = 8000;
/** Milliseconds without a message after which no more is taken to come. */
const QUIET = 300;
/** Acknowledgments between kills, at least. */
const SOME = 30;
/** Milliseconds between looks. */
const LOOK = 20;
/** Bytes a payload while files are to fill. */
const FLOOD = 8000;
const TRICKLE = 100;

const PUBLISHERS = ["Publisher1", "Publisher2", "Publisher3", "Publisher4"];
const MACHINES = ["Machine1", "Machine2"];
const SUBSCRIBERS: SubscriberKind[] = [
  { clientId: "steady", topicFilter: "chaos/#", qos: 2, isRestless: false, holds: 0 },
  { clientId: "coming-and-going", topicFilter: "chaos/#", qos: 2, isRestless: true, holds: 0.1 },
  { clientId: "holding", topicFilter: "chaos/#", qos: 2, isRestless: true, holds: 0.6 },
  { clientId: "at-qos-1", topicFilter: "chaos/#", qos: 1, isRestless: true, holds: 0.4 },
];
/** Has a stored session, since wills come before anybody can be there when a broker starts again. */
const WITNESS: SubscriberKind = {
  clientId: "witness",
  topicFilter: WILL_TOPIC,
  qos: 2,
  isRestless: false,
  holds: 0,
};

export interface Plan {
  kind: BrokerKind;
  /** The folder of stored data. */
  folder: string;
  seed: number;
  kills: number;
  aims: Aims;
  /** Done while the broker is dead, whenever it is to start again and stay. */
  tamper(broker: ChaosBroker): Promise<void>;
}

/** How often a kill aims at what: together 1. */
export type Aims = Record<keyof Kills, number>;

/** Whom a kill hit, and when. */
type Kills = Record<"broker" | "publishers" | "startUp" | "tidying", number>;

export interface Outcome {
  ledger: Ledger;
  kills: Kills;
  seconds: number;
}

/** Publishers and subscribers that come and go around a broker that is killed, until it is over and all is quiet. */
export async function storm(plan: Plan): Promise<Outcome> {
  const startedAt = performance.now();
  const broker = new ChaosBroker(plan.kind, await freePort(), plan.folder);
  const cast = new Cast(
    { broker, ledger: new Ledger(), seed: plan.seed },
    plan.aims.publishers > 0 ? MACHINES : [],
  );
  try {
    await broker.start();
    await cast.enter();
    const weather = new Weather(cast, plan);
    while (weather.total < plan.kills) await weather.strike();
    await cast.calmDown();
    const { ledger } = cast.scene;
    return { ledger, kills: weather.kills, seconds: (performance.now() - startedAt) / 1000 };
  } finally {
    await cast.abandon();
    await broker.kill();
  }
}

/** All who take part. */
class Cast {
  readonly subscribers: Subscriber[];
  readonly publishers: Publisher[];
  readonly machines: ProcessPublisher[];
  readonly #witness: Subscriber;

  constructor(
    readonly scene: Scene,
    machines: string[],
  ) {
    this.#witness = new Subscriber(scene, WITNESS);
    this.subscribers = SUBSCRIBERS.map(kind => new Subscriber(scene, kind));
    this.publishers = PUBLISHERS.map(clientId => new Publisher(scene, clientId));
    this.machines = machines.map(machine => new ProcessPublisher(scene, machine));
  }

  /** Nothing is published before everybody has subscribed. */
  async enter(): Promise<void> {
    const listeners = [this.#witness, ...this.subscribers];
    for (const each of listeners) each.start();
    await this.#settled("subscriptions", () => listeners.every(({ isSubscribed }) => isSubscribed));
    for (const each of [...this.publishers, ...this.machines]) each.start();
  }

  /** Until all that was sent is settled, and all that is owed has come. */
  async calmDown(): Promise<void> {
    const stops = await Promise.all(this.machines.map(each => each.stop()));
    if (stops.includes(false)) this.scene.ledger.stuck.push("pub-lwt");
    for (const each of [...this.publishers, ...this.subscribers]) each.calmDown();
    await this.#settled("publishers", () => this.publishers.every(({ isDrained }) => isDrained));
    await Promise.all(this.publishers.map(each => each.end()));
    await this.#mark();
    const all = [...this.subscribers, this.#witness];
    await this.#settled("quiet", () => all.every(({ lastCame }) => performance.now() - lastCame > QUIET));
    await Promise.all(all.map(each => each.end()));
  }

  /** Until some more has been acknowledged. */
  async goesOn(): Promise<void> {
    const before = this.#acknowledged;
    await this.#settled("publishing", () => this.#acknowledged >= before + SOME);
  }

  get #acknowledged(): number {
    return this.publishers.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  }

  async #settled(what: string, holds: () => boolean): Promise<void> {
    if (!(await until(holds))) this.scene.ledger.stuck.push(what);
  }

  /** A message behind all others, and a look at what is retained. */
  async #mark(): Promise<void> {
    const { broker, ledger } = this.scene;
    const client = await RawClient.connect({ after: () => {} }, broker.port, { clientId: "marker" });
    await client.subscribe("chaos/#", 1);
    await client.publish(MARKER.topic, MARKER.payload, 1);
    await this.#settled("subscribers", () => this.subscribers.every(({ hasMarker }) => hasMarker));
    for (const { topic, payload, retain } of client.publishes.items)
      if (retain) ledger.retained.set(topic, contentOf(payload));
    client.disconnect();
    await client.closed;
  }

  /** Where it ended before its end, nobody is left behind. */
  async abandon(): Promise<void> {
    await Promise.all(this.machines.map(each => each.kill()));
    await Promise.all([...this.publishers, ...this.subscribers, this.#witness].map(each => each.end()));
  }
}

/** The faults of a storm. */
class Weather {
  readonly kills: Kills = { broker: 0, publishers: 0, startUp: 0, tidying: 0 };
  readonly #cast: Cast;
  readonly #random: Random;
  readonly #plan: Plan;

  constructor(cast: Cast, plan: Plan) {
    this.#cast = cast;
    this.#plan = plan;
    this.#random = new Random(plan.seed, "weather");
  }

  get total(): number {
    const { broker, publishers, startUp, tidying } = this.kills;
    return broker + publishers + startUp + tidying;
  }

  async strike(): Promise<void> {
    await this.#cast.goesOn();
    await passes(this.#random.between(0, 400));
    let draw = this.#random.next();
    for (const aim of Object.keys(this.#strikes) as (keyof Kills)[]) {
      draw -= this.#plan.aims[aim];
      if (draw < 0) return this.#strikes[aim]();
    }
  }

  readonly #strikes: Record<keyof Kills, () => Promise<void>> = {
    broker: () => this.#killBroker("broker"),
    publishers: () => this.#killPublisher(),
    startUp: () => this.#killAtStartUp(),
    tidying: () => this.#killAtTidying(),
  };

  async #killBroker(as: keyof Kills): Promise<void> {
    const { broker } = this.#cast.scene;
    this.kills[as] += 1;
    await broker.kill();
    await this.#plan.tamper(broker);
    await broker.start();
  }

  async #killPublisher(): Promise<void> {
    const { machines } = this.#cast;
    this.kills.publishers += 1;
    const machine = machines[this.#random.between(0, machines.length - 1)];
    await machine?.kill();
    machine?.start();
  }

  async #killAtStartUp(): Promise<void> {
    const { broker } = this.#cast.scene;
    await broker.kill();
    this.kills.broker += 1;
    for (let times = this.#random.between(1, 3); times > 0; times--) {
      broker.spawn();
      await passes(this.#random.between(0, 250)); // Node needs 50 before it reads anything
      await broker.kill();
      this.kills.startUp += 1;
    }
    await broker.start();
  }

  /** While a file comes or goes, which takes many bytes. */
  async #killAtTidying(): Promise<void> {
    const { broker } = this.#cast.scene;
    if (!broker.kind.tidies) return this.#killBroker("broker");
    for (const publisher of this.#cast.publishers) publisher.payloadBytes = FLOOD;
    const isTidying = await fileChanges(broker.folder, this.#random.chance(0.7));
    await passes(this.#random.between(0, 10));
    for (const publisher of this.#cast.publishers) publisher.payloadBytes = TRICKLE;
    await this.#killBroker(isTidying ? "tidying" : "broker");
  }
}

/** @returns whether a file of the journal went, or came, in time */
async function fileChanges(folder: string, goes: boolean): Promise<boolean> {
  const watcher = watch(folder);
  const changed = new Promise<boolean>(resolve =>
    watcher.on("change", (_, file) => {
      const name = String(file);
      if (/^journal-\d+$/.test(name) && existsSync(path.join(folder, name)) !== goes) resolve(true);
    }),
  );
  const isLate = passes(TIDYING, false, { ref: false });
  try {
    return await Promise.race([changed, isLate]);
  } finally {
    watcher.close();
  }
}

/** @returns whether it does, in time */
async function until(holds: () => boolean): Promise<boolean> {
  const deadline = performance.now() + TIMEOUT_MS;
  while (!holds() && performance.now() < deadline) await passes(LOOK);
  return holds();
}
