import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { environment } from "../../bench/contest.js";
import { STOCK_AEDES } from "../../bench/brokers.js";

/** Milliseconds that a broker may take to listen. */
const TIMEOUT_MS = 15_000;
/** Milliseconds between looks whether it does. */
const LOOK = 10;

export interface BrokerKind {
  /** Its description in the report. */
  setUp: string;
  /** It keeps a journal, and tidies that. */
  tidies: boolean;
  /** Starts the broker, each time on the same folder. */
  command(port: number, folder: string): [program: string, args: string[]];
}

export const lwtBroker =
  (sync: string) =>
  (bin: string): BrokerKind => ({
    setUp: `lwt-broker --sync ${sync}`,
    tidies: true,
    command: (port, folder) => {
      const options = ["--port", String(port), "--data", folder, "--sync", sync, "--quiet"];
      return [process.execPath, [path.join(bin, "lwt-broker.cjs"), ...options]];
    },
  });

/** Its default of dropping past 1000 queued messages would hide what a kill loses. */
const MOSQUITTO = `allow_anonymous true
user root
log_type error
max_queued_messages 0
persistence true
`;

export const mosquitto = (): BrokerKind => ({
  setUp: "Mosquitto: persistence true, autosave 1800 s, unlimited queues",
  tidies: false,
  command: (port, folder) => {
    const file = path.join(folder, "mosquitto.conf");
    writeFileSync(file, `${MOSQUITTO}persistence_location ${folder}/\nlistener ${port} 127.0.0.1\n`);
    return ["mosquitto", ["-c", file]];
  },
});

export const aedes = (): BrokerKind => ({
  setUp: "stock aedes, all in memory",
  tidies: false,
  command: port => [process.execPath, ["--input-type=module", "-e", STOCK_AEDES, String(port)]],
});

/** A broker that is killed, and started again on its port and its folder. */
export class ChaosBroker {
  /** How many times it has been killed. */
  life = 0;
  readonly folder: string;
  #child: ChildProcess | null = null;
  #ended: Promise<unknown> = Promise.resolve();
  #said = "";

  constructor(
    readonly kind: BrokerKind,
    readonly port: number,
    folder: string,
  ) {
    this.folder = path.join(folder, "store");
    mkdirSync(this.folder);
  }

  /** @throws Error where it ends before it listens, with what it said */
  async start(): Promise<void> {
    this.spawn();
    const deadline = performance.now() + TIMEOUT_MS;
    while (!(await this.#listens())) {
      if (this.#child?.exitCode !== null) throw new Error(`the broker does not start: ${this.#said}`);
      if (performance.now() > deadline) throw new Error(`the broker does not listen: ${this.#said}`);
      await setTimeout(LOOK);
    }
  }

  /** Does not wait until it listens. */
  spawn(): void {
    const [program, args] = this.kind.command(this.port, this.folder);
    const child = spawn(program, args, {
      cwd: import.meta.dirname, // where no .env is, and aedes is found from
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#said = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", text => (this.#said += String(text)));
    this.#ended = once(child, "close");
    this.#child = child;
  }

  async kill(): Promise<void> {
    this.life += 1;
    this.#child?.kill("SIGKILL");
    await this.#ended;
  }

  /** Resolves with the exit code and the output, if it must not start. */
  async refusal(): Promise<{ code: number | null; said: string }> {
    this.spawn();
    await Promise.race([this.#ended, setTimeout(TIMEOUT_MS, null, { ref: false })]);
    return { code: this.#child?.exitCode ?? null, said: this.#said };
  }

  async #listens(): Promise<boolean> {
    const socket = createConnection({ port: this.port, host: "127.0.0.1" });
    try {
      await once(socket, "connect");
      return true;
    } catch {
      return false;
    } finally {
      socket.destroy();
    }
  }
}
