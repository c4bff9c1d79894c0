// Types the commands of README, tutorial and how-to pages in their order, on one broker for each page.
import assert from "node:assert/strict";
import { copyFileSync, cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { root } from "../support/paths.js";
import { command, lwtBroker, type Running, temporaryFolder } from "../support/processes.js";
import { certificate } from "../support/servers.js";

const howTo = path.join("docs", "how-to");
const PAGES = [
  "README.md",
  path.join("docs", "tutorial.md"),
  // The commands of a class are run by teaching.test.ts, as on several computers.
  ...readdirSync(path.join(root, howTo))
    .filter(page => page !== "teach-a-class.md")
    .map(page => path.join(howTo, page)),
];

/** Commands with a placeholder, a public broker or another computer, and those that other tests run. */
const NOT_RUN =
  /HOST|192\.168|hivemq|node1|--broker a,b,c|examples\/cluster|^npm |--host 0\.0\.0\.0|lwt-demo check$/;

/** Commands that run until they are stopped. */
const RUNS_ON: Record<string, RegExp> = {
  "pub-lwt": /^(?!.*(--count|-m |--after|--forget|-l\b))/,
  "sub-lwt": /^(?!.*(--count|--until|--retained|--subscribe-only|--forget|--timeout))/,
  "lwt-broker": /^(?!.*(status|passwd))/,
  "lwt-demo": /^(?!)/,
};

/** How a command ends that does not end with 0. */
const ENDINGS: [pattern: RegExp, end: number | string][] = [
  [/--fail crash/, "SIGKILL"],
  [/examples\/exercises/, 2],
  [/--timeout/, 27],
];

type Step =
  | { type: string }
  | { stop: string }
  | { wait: string; text: string }
  | { next: string; text: string };

/**
 * The lines of the `sh` blocks of a page, and its comments: `<!-- stop NAME -->`, `<!-- wait NAME TEXT -->` for text that
 * may be there already, `<!-- next NAME TEXT -->` for text that is still to be written.
 */
function stepsOf(page: string): Step[] {
  const found = readFileSync(path.join(root, page), "utf8").matchAll(
    /^( *)```sh\n([^]*?)^ *```|<!-- (stop|wait|next) (\S+) ?(.*?) -->/gm,
  );
  return [...found].flatMap(([, , block, verb, name = "", text = ""]): Step[] => {
    if (block === undefined)
      return [
        verb === "stop" ? { stop: name } : verb === "next" ? { next: name, text } : { wait: name, text },
      ];
    const lines = block.split("\n").map(line => line.trim());
    return lines.filter(line => line !== "" && !NOT_RUN.test(line)).map(line => ({ type: line }));
  });
}

class Terminals {
  /** The commands that run on, the last one last. */
  readonly #running: { name: string; run: Running }[] = [];
  readonly #env: Record<string, string> = { PUB_LWT_INTERVAL: "0.2" };
  readonly #cwd: string;

  constructor(
    private readonly t: TestContext,
    page: string,
  ) {
    this.#cwd = temporaryFolder(t);
    for (const [file, name] of [
      ["server", "cert.pem"],
      ["key", "key.pem"],
    ] as const)
      copyFileSync(certificate(file), path.join(this.#cwd, name));
    cpSync(path.join(root, "examples"), path.join(this.#cwd, "examples"), { recursive: true });
    const lesson = /```yaml\n([^]*?)```/.exec(readFileSync(path.join(root, page), "utf8"))?.[1];
    if (lesson) writeFileSync(path.join(this.#cwd, "mine.yaml"), lesson);
  }

  /** Types a line where a broker runs; the first `npx lwt-broker` of a page is that broker. */
  async type(line: string): Promise<void> {
    const [npx, name = "", ...args] = line.split(" ");
    assert.equal(npx, "npx", line);
    const runsOn = RUNS_ON[name]?.test(line);
    if (name === "lwt-broker" && runsOn) return this.#startBroker(line, args);
    if (!this.#env["LWT_PORT"]) this.#env["LWT_PORT"] = String((await lwtBroker(this.t)).port);
    const input = line.includes(" passwd ") ? { input: "Sesame\n" } : {};
    const run = command(this.t, name, args, { cwd: this.#cwd, env: this.#env, json: false, ...input });
    if (runsOn) {
      await run.outputHas(/ (→|←) mqtt:/);
      this.#running.push({ name, run });
    } else {
      const end = ENDINGS.find(([pattern]) => pattern.test(line))?.[1] ?? 0;
      assert.equal(await run.exit(), end, `${line}\n${run.stdout}${run.stderr}`);
    }
  }

  async #startBroker(line: string, args: string[]): Promise<void> {
    const named = ["--port", "--tls-port", "--ws-port"];
    const ports = named.filter(port => port === "--port" || line.includes(port.slice(0, 5)));
    const free = ports.flatMap(port => [port, "0"]);
    const run = command(this.t, "lwt-broker", [...args, ...free], { cwd: this.#cwd, json: false });
    await run.outputHas(/on mqtts?:\/\/127\.0\.0\.1:\d+/);
    const port = /mqtt:\/\/127\.0\.0\.1:(\d+)/.exec(run.stdout + run.stderr)?.[1];
    if (port && !this.#env["LWT_PORT"]) this.#env["LWT_PORT"] = port;
  }

  async stop(name: string): Promise<void> {
    const at = this.#running.findLastIndex(each => each.name === name);
    const [stopped] = this.#running.splice(at, 1);
    assert.ok(stopped && at >= 0, `${name} does not run`);
    stopped.run.child.send("stop");
    assert.equal(await stopped.run.exit(), 0, stopped.run.stderr);
  }

  async wait(name: string, text: string, isNew: boolean): Promise<void> {
    const run = this.#running.findLast(each => each.name === name)?.run;
    assert.ok(run, `${name} does not run`);
    const from = isNew ? run.stdout.length : 0;
    await run.waitFor(text, () => run.stdout.includes(text, from) || undefined);
  }

  async stopAll(): Promise<void> {
    for (const { name } of this.#running.toReversed()) await this.stop(name);
  }
}

test("the commands of each page do what the page says, in its order", { concurrency: 2 }, async t => {
  await Promise.all(
    PAGES.map(page =>
      t.test(page, async t => {
        const steps = stepsOf(page);
        const terminals = new Terminals(t, page);
        for (const step of steps)
          if ("type" in step) await terminals.type(step.type);
          else if ("stop" in step) await terminals.stop(step.stop);
          else if ("next" in step) await terminals.wait(step.next, step.text, true);
          else await terminals.wait(step.wait, step.text, false);
        await terminals.stopAll();
      }),
    ),
  );
});

test("every page names only npm scripts that exist", () => {
  const { scripts } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
    scripts: object;
  };
  const pages = [...PAGES, "CONTRIBUTING.md", path.join(howTo, "teach-a-class.md")];
  const named = pages.flatMap(page =>
    [...readFileSync(path.join(root, page), "utf8").matchAll(/npm (?:run |(?=test\b))([\w:]+)/g)].map(
      ([, name = ""]) => name,
    ),
  );
  assert.ok(named.length > 4);
  for (const name of named) assert.ok(name in scripts, name);
});

test("no command line in the README names a public broker, where a test would run it", () => {
  const lines = stepsOf("README.md").flatMap(step => ("type" in step ? [step.type] : []));
  assert.deepEqual(
    lines.filter(line => line.includes("hivemq")),
    [],
  );
});

test("no page is without commands by accident", () => {
  const commands = PAGES.flatMap(stepsOf).filter(step => "type" in step);
  assert.ok(commands.length >= 40, `${commands.length} commands`);
  assert.ok(stepsOf("README.md").filter(step => "type" in step).length >= 5);
});
