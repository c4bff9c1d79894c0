import { once } from "node:events";
import type { Socket } from "node:net";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { type Login, rawConnection } from "./raw-connection.js";

const PINGREQ = Buffer.of(0xc0, 0);
/** Milliseconds from an answer to the next question. */
const PACE = 2;

/** Longest milliseconds while it was watched. */
export interface Stall {
  /** From PINGREQ to PINGRESP. */
  broker: number;
  /** Milliseconds that this process was late by itself, because of the machine. */
  own: number;
}

/** Asks a broker again and again whether it is there, and measures how long it takes to say so. */
export class Pinger {
  readonly #socket: Socket;
  readonly #delay = monitorEventLoopDelay({ resolution: PACE });
  #longest = 0;
  #askedAt = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", () => this.#answered()).on("error", () => {});
  }

  static async start(port: number, login: Login | null = null): Promise<Pinger> {
    const socket = rawConnection(port, "Pinger", login);
    await once(socket, "data"); // CONNACK
    const pinger = new Pinger(socket);
    pinger.#ask();
    return pinger;
  }

  /** The longest since the last time, of what `work` took. */
  async during(work: () => Promise<unknown>): Promise<Stall> {
    this.#longest = 0;
    this.#delay.enable();
    this.#delay.reset();
    await work();
    this.#delay.disable();
    return { broker: this.#longest, own: this.#delay.max / 1e6 - PACE };
  }

  stop(): void {
    this.#socket.destroy();
  }

  #ask(): void {
    if (this.#socket.destroyed) return;
    this.#askedAt = performance.now();
    this.#socket.write(PINGREQ);
  }

  #answered(): void {
    this.#longest = Math.max(this.#longest, performance.now() - this.#askedAt);
    setTimeout(() => this.#ask(), PACE);
  }
}
