import { setTimeout } from "node:timers/promises";
import type { Owner } from "../../support/processes.js";
import { RawClient } from "../../support/raw-client.js";

/** Nobody hits upon this by chance. */
const TOPIC = "well-behaved-2c61f0/SensorData";
export const PAIR = {
  publisher: "well-behaved-2c61f0-publisher",
  subscriber: "well-behaved-2c61f0-subscriber",
};
/** Nothing has to be closed: the broker's end is every connection's. */
export const UNTIL_BROKER_ENDS: Owner = { after: () => {} };
/** Milliseconds between messages. */
const INTERVAL = 10;

/** Two who mean well: what one publishes at QoS 1, the other gets, once and in order. */
export class Pair {
  sent = 0;
  received = 0;
  readonly problems: string[] = [];
  #isOn = false;
  #going: Promise<void> = Promise.resolve();

  private constructor(
    readonly publisher: RawClient,
    readonly subscriber: RawClient,
  ) {}

  static async connect(port: number): Promise<Pair> {
    const subscriber = await RawClient.connect(UNTIL_BROKER_ENDS, port, {
      clientId: PAIR.subscriber,
      clean: false,
    });
    await subscriber.subscribe(TOPIC, 1);
    return new Pair(
      await RawClient.connect(UNTIL_BROKER_ENDS, port, { clientId: PAIR.publisher, clean: false }),
      subscriber,
    );
  }

  start(): void {
    this.#isOn = true;
    this.#going = this.#go().catch((error: Error) => void this.problems.push(`the pair: ${error.message}`));
  }

  /** Kept when what was sent has come, or won't. */
  async pause(): Promise<void> {
    this.#isOn = false;
    await this.#going;
  }

  async #go(): Promise<void> {
    while (this.#isOn) {
      const payload = String(this.sent);
      this.sent += 1;
      await this.publisher.publish(TOPIC, payload, 1);
      await this.subscriber.message(payload);
      this.#take();
      await setTimeout(INTERVAL);
    }
  }

  /** Forgets what has come, for a long run's sake. */
  #take(): void {
    for (const { payload } of this.subscriber.publishes.items.splice(0)) {
      if (payload !== String(this.received))
        this.problems.push(`the pair: ${this.received} was due, ${payload} came`);
      this.received += 1;
    }
    this.publisher.packets.items.length = 0;
    this.subscriber.packets.items.length = 0;
  }
}
