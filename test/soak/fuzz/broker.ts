import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { Event } from "../../../src/events/events.js";
import { environment } from "../../bench/contest.js";

/** Memory of its process after garbage collection, in bytes. */
export interface Holdings {
  heap: number;
  rss: number;
  /** Open ones, and closed ones that something holds on to. */
  sockets: number;
}

/** lwt-broker as a process, and what it says of itself. */
export class FuzzBroker {
  stderr = "";
  /** Unexpected output. */
  readonly problems: string[] = [];
  /** How connections ended, by its own account. */
  readonly ends: Record<string, number> = {};
  readonly ended: Promise<string>;
  readonly listening: Promise<number>;
  readonly #child: ChildProcess;

  /** @param bin where lwt-broker.cjs is @param folder where no .env is */
  constructor(bin: string, args: string[], folder: string) {
    // Node warns that the count of sockets is experimental.
    const inside = [
      "--disable-warning=ExperimentalWarning",
      "--require",
      path.join(import.meta.dirname, "inside.cjs"),
    ];
    const child = spawn(
      process.execPath,
      [...inside, path.join(bin, "lwt-broker.cjs"), "--port", "0", "--json", ...args],
      { cwd: folder, env: environment, stdio: ["ignore", "pipe", "pipe", "ipc"] },
    );
    this.#child = child;
    child.stderr?.on("data", text => (this.stderr += String(text)));
    const lines = createInterface({ input: child.stdout as Readable });
    this.ended = Promise.all([once(child, "exit"), once(lines, "close")]).then(
      ([[code, signal]]) => `${(signal ?? code) as string | number}`,
    );
    this.listening = new Promise((resolve, reject) => {
      lines.on("line", line => {
        const event = this.#take(line);
        if (event?.event === "listening") resolve(Number(new URL(event.url).port));
      });
      void this.ended.then(how => reject(new Error(`the broker ended with ${how}: ${this.stderr}`)));
    });
  }

  get isOver(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async holdings(): Promise<Holdings> {
    const told = once(this.#child, "message");
    this.#child.send("holdings");
    const [holdings] = (await Promise.race([told, this.#gone()])) as [Holdings];
    return holdings;
  }

  /** @returns its exit code, or the signal's name */
  stop(): Promise<string> {
    if (this.#child.connected) this.#child.send("stop");
    return this.ended;
  }

  /** Once it is not needed any more. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async #gone(): Promise<never> {
    throw new Error(`the broker ended with ${await this.ended}`);
  }

  #take(line: string): Event | null {
    let event: Event;
    try {
      event = JSON.parse(line) as Event;
    } catch {
      this.problems.push(`not JSON on its stdout: ${line}`);
      return null;
    }
    if (event.event === "error") this.problems.push(`it told of an error: ${event.message}`);
    const end = endOf(event);
    if (end) this.ends[end] = (this.ends[end] ?? 0) + 1;
    return event;
  }
}

function endOf(event: Event): string | null {
  if (event.event === "client-disconnected") return event.cause;
  if (event.event === "client-refused") return event.limit ? `refused: ${event.limit.name}` : "refused";
  return null;
}
