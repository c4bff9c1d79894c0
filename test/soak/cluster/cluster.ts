import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import path from "node:path";
import { command, type Owner, Running } from "../../support/processes.js";
import { root } from "../../support/paths.js";

/** The three RabbitMQ nodes of examples/cluster/, in the hands of that script. */
export class Cluster {
  readonly urls: readonly string[];
  readonly folder: string;
  readonly #pids: number[];
  /** Which was killed last, and what the script had said by then. */
  #killed = { node: 0, said: 0 };

  private constructor(readonly script: Running) {
    this.urls = /--broker (\S+)/.exec(script.stdout)?.[1]?.split(",") ?? [];
    this.folder = /nodes in (\S+):/.exec(script.stdout)?.[1] ?? "";
    this.#pids = [...script.stdout.matchAll(/process (\d+)/g)].map(([, pid]) => Number(pid));
    assert.deepEqual([this.urls.length, this.#pids.length], [3, 3]);
  }

  /** Takes a minute, and three brokers' memory. */
  static async start(t: Owner): Promise<Cluster> {
    const args = ["--import", "tsx", path.join("examples", "cluster", "start.ts")];
    const child = spawn(process.execPath, args, { cwd: root, stdio: "pipe" });
    // Killed as other processes are, it would leave its nodes running.
    const script = new Running({ after: () => {} }, child);
    t.after(async () => child.kill("SIGINT") && (await script.exit()));
    // Each in its turn: on a busy computer all together take longer than one thing is waited for.
    for (const up of [1, 2, 3]) await script.outputHas(`${up} of 3 takes clients`);
    await script.outputHas("--broker mqtt:");
    return new Cluster(script);
  }

  get brokers(): string {
    return this.urls.join(",");
  }

  /** SIGKILL: the system closes its connections, and nothing else tells anyone. */
  kill(node: number): void {
    this.#killed = { node, said: this.script.stdout.length };
    process.kill(this.#pids[node] ?? 0, "SIGKILL");
  }

  /** Starts what has been killed, and waits until it takes clients again. */
  async revive(t: Owner): Promise<void> {
    const { node, said } = this.#killed;
    const since = (what: RegExp) => what.exec(this.script.stdout.slice(said)) ?? undefined;
    await this.script.waitFor("its end", () => since(/ has ended /));
    this.script.child.stdin?.write("\n");
    const [, pid] = await this.script.waitFor("a new process", () =>
      since(/ starts again, as process (\d+)/),
    );
    this.#pids[node] = Number(pid);
    const args = ["--forget", "-i", "Revived", "-b", this.urls[node] ?? "", "--connect-timeout", "300"];
    const probe = command(t, "sub-lwt", args);
    assert.equal(await probe.exit(), 0, probe.stderr);
  }
}
