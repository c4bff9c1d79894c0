import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout } from "node:timers/promises";
import type { Event } from "../../../src/events/events.js";
import { environment } from "../../bench/contest.js";
import { type Scene, WILL_TOPIC } from "./client.js";
import type { WillCount } from "./ledger.js";
import { binDir } from "../../support/paths.js";

/** Milliseconds for the publisher to end. */
const END_TIMEOUT_MS = 15_000;
/** Seconds between readings. */
const INTERVAL = 0.02;

/**
 * pub-lwt, to be killed. Who is killed forgets what was in flight, and which packet identifiers the broker still holds
 * for it: so it publishes at QoS 1, and only what it said to be acknowledged is asked for.
 */
export class ProcessPublisher {
  readonly #scene: Scene;
  readonly #machine: string;
  readonly #topic: string;
  #lives = 0;
  #child: ChildProcess | null = null;
  #ended: Promise<unknown> = Promise.resolve();
  #will: WillCount = { least: 0, most: 0, out: 0 };
  /** The broker's. */
  #bornIn = 0;

  constructor(scene: Scene, machine: string) {
    this.#scene = scene;
    this.#machine = machine;
    this.#topic = `chaos/${machine}/SensorData`;
  }

  start(): void {
    const { broker, ledger } = this.#scene;
    this.#lives += 1;
    const payload = `${this.#machine} ${this.#lives}`;
    this.#will = ledger.will(payload);
    this.#bornIn = broker.life;
    const options = {
      "--port": broker.port,
      "--machine": this.#machine,
      "--topic": this.#topic,
      "--interval": INTERVAL,
      "--will-topic": WILL_TOPIC,
      "--will-payload": payload,
      "--will-qos": 2,
    };
    const args = Object.entries(options).map(([name, value]) => `${name}=${value}`);
    const bin = path.join(binDir, "pub-lwt.cjs");
    const child = spawn(process.execPath, [bin, ...args, "--retain", "--no-status", "--json"], {
      cwd: broker.folder, // where no .env is
      env: environment,
      stdio: ["ignore", "pipe", "ignore", "ipc"],
    });
    this.#child = child;
    const lines = createInterface({ input: child.stdout as Readable });
    lines.on("line", line => this.#said(JSON.parse(line) as Event));
    this.#ended = Promise.all([once(child, "exit"), once(lines, "close")]);
  }

  async kill(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#ended;
    this.#will.most = this.#lived;
  }

  /** As by Ctrl-C: it waits for what is in flight, and leaves with DISCONNECT. @returns whether it ended */
  async stop(): Promise<boolean> {
    if (this.#child?.connected) this.#child.send("stop");
    const hasEnded = await Promise.race([
      this.#ended.then(() => true),
      setTimeout(END_TIMEOUT_MS, false, { ref: false }),
    ]);
    const isGraceful = this.#child?.exitCode === 0;
    if (isGraceful) this.#will.least -= 1;
    this.#will.most = this.#lived - (isGraceful ? 1 : 0);
    return hasEnded;
  }

  /** In each life of the broker it has had one connection, or may have had; all with the same will. */
  get #lived(): number {
    return this.#scene.broker.life - this.#bornIn + 1;
  }

  #said(said: Event): void {
    const { streams } = this.#scene.ledger;
    if (said.event === "connected") this.#will.least += 1;
    if (said.event === "published" && said.run !== null)
      this.#scene.ledger.stream(said.run, this.#topic, 1, true);
    if (said.event === "acknowledged" && said.run !== null && said.seq !== null)
      streams.get(said.run)?.acknowledged.add(said.seq);
  }
}
