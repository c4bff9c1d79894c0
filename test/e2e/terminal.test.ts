import assert from "node:assert/strict";
import { spawn, type StdioOptions } from "node:child_process";
import { openSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import stringWidth from "string-width";
import { StatusLineOutput } from "../../src/cli/status-line.js";
import { verifyPassword, parseHash } from "../../src/broker/auth/password-hash.js";
import { command, ends, freePort, lwtBroker, Running, temporaryFolder } from "../support/processes.js";
import { plainScreen } from "../support/screens.js";
import {
  CTRL_C,
  endsOnTerminal,
  ESC,
  environment,
  onTerminal,
  SGR,
  skip,
  type Terminal,
  type,
} from "../support/terminals.js";
import { binDir } from "../support/paths.js";

const ALL = ["pub-lwt", "sub-lwt", "lwt-broker", "lwt-demo"];

/** Returns the terminal's lines up to the cursor; knows only the sequences that the commands may use. */
function shownBy({ stdout }: Pick<Running, "stdout">): string[] {
  const lines = [""];
  let column = 0;
  for (const [piece] of stdout.replaceAll(SGR, "").matchAll(/\r|\n|\u001b\[K|[^\r\n\u001b]+|\u001b/g)) {
    const line = lines.at(-1) ?? "";
    assert.notEqual(piece, ESC, `an escape sequence of another kind: ${JSON.stringify(stdout)}`);
    if (piece === "\r") column = 0;
    else if (piece === "\n") lines.push("");
    else if (piece === `${ESC}[K`) lines[lines.length - 1] = line.slice(0, column);
    else {
      lines[lines.length - 1] = line.slice(0, column) + piece + line.slice(column + piece.length);
      column += piece.length;
    }
  }
  return lines;
}

const widest = (lines: string[]) => Math.max(...lines.map(line => stringWidth(line)));

/** Returns the screen of a command that has ended, and asserts that the cursor is at the start of a line. */
async function screenAtEnd(run: Running): Promise<string[]> {
  await run.exit();
  const lines = shownBy(run);
  assert.equal(lines.at(-1), "", run.stdout);
  return lines.slice(0, -1);
}

async function brokerOnTerminal(t: TestContext, how: Terminal = {}) {
  const process = onTerminal(t, "lwt-broker", ["--port", "0"], how);
  const port = await process.waitFor("port", () => /127\.0\.0\.1:(\d+)/.exec(process.stdout)?.[1]);
  return { process, port };
}

/** Runs a broker, a subscriber and a publisher to their end, each on its own terminal. */
async function session(t: TestContext, how: Terminal): Promise<Running[]> {
  const { process: broker, port } = await brokerOnTerminal(t, how);
  const sub = onTerminal(t, "sub-lwt", ["-p", port, "-d"], how);
  await broker.outputHas("sensors/lastwill");
  const failing = ["--fail", "no-disconnect", "--after", "2", "--interval", "0.05"];
  const pub = onTerminal(t, "pub-lwt", ["-p", port, "--machine", "機械😀", ...failing], how);
  await sub.outputHas("OFFLINE");
  assert.equal(await pub.exit(), 0);
  for (const run of [sub, broker]) {
    type(run, CTRL_C);
    assert.equal(await run.exit(), 0);
  }
  return [broker, sub, pub];
}

test("every line of every command fits the window, and its width is used", { skip, concurrency: true }, t =>
  Promise.all(
    [60, 80, 120].map(columns =>
      t.test(`${columns} columns`, async t => {
        const how = { columns };
        const texts = ALL.flatMap(name =>
          [["--help"], ["--help", "all"], ["--nonsense"]].map(args => ({ name, args })),
        );
        const more = [
          { name: "sub-lwt", args: ["--show-settings", "-t", `${"漢字".repeat(40)}/#`] },
          { name: "pub-lwt", args: ["--show-settings"] },
          { name: "lwt-demo", args: ["list"] },
        ];
        const ended = endsOnTerminal(t, [...texts, ...more], how);
        const runs = await session(t, how);
        if (columns === 60) runs.push(onTerminal(t, "lwt-demo", ["offline-notification"], how));
        const screens = await Promise.all(runs.map(screenAtEnd));
        for (const { stdout, stderr } of await ended) screens.push(shownBy({ stdout: stdout + stderr }));
        for (const lines of screens) assert.ok(widest(lines) <= columns, lines.join("\n"));
        assert.ok(widest(screens.flat()) > columns - 5);
        const defaults = screens.flat().filter(line => line.includes("[Binil/Machine1/Sen"));
        for (const line of defaults) assert.match(line, /SensorData\]$/);
      }),
    ),
  ).then(() => {}),
);

const coloured = (text: string) => text.search(SGR) >= 0;

/** A command that fails at once. */
const failing = (env: Record<string, string>) => ({
  name: "pub-lwt",
  args: ["-p", "1", "--connect-timeout", "0.1"],
  env,
});

test("colour on a terminal, unless it is not wanted there", { skip }, async t => {
  const cases: [env: Record<string, string>, colour: boolean][] = [
    [{}, true],
    [{ NO_COLOR: "" }, true],
    [{ NO_COLOR: "1" }, false],
    [{ FORCE_COLOR: "0" }, false],
    [{ FORCE_COLOR: "false" }, false],
    [{ TERM: "dumb" }, false],
    [{ TERM: "dumb", FORCE_COLOR: "1" }, true],
  ];
  const runs = await endsOnTerminal(
    t,
    cases.map(([env]) => failing(env)),
  );
  for (const [i, [env, colour]] of cases.entries()) {
    const { stdout = "", stderr = "" } = runs[i] ?? {};
    assert.match(stderr, /no broker answers/);
    assert.equal(coloured(stdout + stderr), colour, JSON.stringify(env));
  }
});

test("no colour in a pipe, unless it is wanted there", async t => {
  const cases: [env: Record<string, string>, colour: boolean][] = [
    [{}, false],
    [{ FORCE_COLOR: "1" }, true],
    [{ FORCE_COLOR: "0" }, false],
  ];
  const runs = await ends(
    t,
    cases.map(([env]) => failing(env)),
  );
  for (const [i, [env, colour]] of cases.entries()) {
    const { stdout = "", stderr = "" } = runs[i] ?? {};
    assert.equal(coloured(stdout + stderr), colour, JSON.stringify(env));
    assert.ok(!(stdout + stderr).replaceAll(SGR, "").includes(ESC));
  }
});

test("while no broker answers a last line counts down, and Ctrl-C leaves nothing of it", {
  skip,
}, async t => {
  const pub = onTerminal(t, "pub-lwt", ["-p", String(await freePort())]);
  await pub.outputHas(/still trying, for \d+ s more[^]*still trying, for \d+ s more/);
  type(pub, CTRL_C);
  const lines = await screenAtEnd(pub);
  assert.deepEqual(
    lines
      .join("\n")
      .replaceAll("\n    ", " ") // folded
      .replaceAll(/(?<=--port )\d+|\d+(?= s more|\.\n| \(connection)/g, "N")
      .split("\n"),
    [
      "pub-lwt: no broker answers at mqtt://127.0.0.1:N (connection refused).",
      "  Start one in another terminal: npx lwt-broker --port N (trying for N s more)",
      "pub-lwt: stopped before a broker answered at mqtt://127.0.0.1:N.",
      "  Start one in another terminal: npx lwt-broker --port N",
      "0 sent, 0 acknowledged",
    ],
  );
});

test("the time that is left of 1.5 × keep alive is shown, and gone at the end", { skip }, async t => {
  const { port } = await lwtBroker(t);
  const args = ["-p", String(port), "--fail", "keep-alive", "-k", "1", "--after", "1"];
  const pub = onTerminal(t, "pub-lwt", args);
  await pub.outputHas(/silent; the broker waits \d s more/);
  assert.equal(await pub.exit(), 0);
  const lines = await screenAtEnd(pub);
  assert.ok(!lines.some(line => line.includes("s more") || line.includes("time is over")), lines.join("\n"));
  assert.match(lines.join("\n"), /the witness received the will/);
});

test("a last line is not written where it can't be erased, or isn't wanted", { skip }, async t => {
  const cases: [args: string[], how: Terminal][] = [
    [[], { env: { TERM: "dumb" } }],
    [[], { piped: "| cat" }],
    [["--json"], {}],
    [["--quiet"], {}],
  ];
  const watch = async ([args, how]: (typeof cases)[number]) => {
    const port = String(await freePort());
    const pub = onTerminal(t, "pub-lwt", ["-p", port, "--connect-timeout", "1.2", ...args], how);
    assert.equal(await pub.exit(), how.piped ? 0 : 1);
    assert.match(pub.stdout, /no broker answers/);
    assert.doesNotMatch(
      pub.stdout,
      /still trying|connecting to|\u001b\[K|\r(?!\n)/,
      JSON.stringify([args, how]),
    );
  };
  await Promise.all(cases.map(watch));
});

test("a last line stays on one line of a window that is too narrow for it", { skip }, async t => {
  const pub = onTerminal(t, "pub-lwt", ["-p", String(await freePort())], { columns: 30 });
  await pub.outputHas("still trying");
  type(pub, CTRL_C);
  await pub.exit();
  for (const [line] of pub.stdout.matchAll(/ {2}(still|connecting)[^\r\u001b^]*/g))
    assert.ok(line.length <= 27, line);
});

test("a last line is cut by columns, not by characters, and drawn as the terminal can", () => {
  const shown = (hasUnicode: boolean) => {
    let written = "";
    const stream = {
      columns: 20,
      write: (text: string) => (written += text),
    } as unknown as NodeJS.WriteStream;
    const live = new StatusLineOutput(stream, { ...plainScreen, hasUnicode });
    live.set({ until: 0, text: left => `${left} ${"漢字".repeat(20)}` });
    live.show();
    live.set(null);
    return written;
  };
  assert.equal(shown(true), "0 漢字漢字漢字漢…");
  assert.equal(shown(false), "0 漢字漢字漢字漢~");
});

const LESSON = `name: mine
title: "Two steps"
steps:
  - say: The first step.
  - predict: What is one and one?
    choices: [one, two]
    answer: 2
    because: That is how it is.
  - say: The second step.
`;

/** Presses keys, each after the screen shows its text. */
async function answer(run: Running, steps: [shown: RegExp, key: string][]) {
  for (const [shown, key] of steps) {
    await run.waitFor(String(shown), () => shown.exec(shownBy(run).slice(-3).join("\n")) ?? undefined);
    type(run, key);
  }
}

test("--step waits for a key before each step, b shows the last one again, and q leaves with 130", {
  skip,
}, async t => {
  const file = path.join(temporaryFolder(t), "mine.yaml");
  writeFileSync(file, LESSON);
  const run = onTerminal(t, "lwt-demo", ["--step", file]);
  await answer(run, [
    [/Space: next step/, " "],
    [/two\n.*Space: next step/, "b"],
  ]);
  await run.waitFor("the step again", () =>
    run.stdout.split("The first step.").length === 3 ? true : undefined,
  );
  type(run, "x");
  type(run, "q");
  assert.equal(await run.exit(), 130);
  const screen = await screenAtEnd(run);
  assert.ok(!screen.some(line => line.includes("Space: next step")), "nothing of the prompt is left");
  assert.doesNotMatch(run.stdout, /The second step/);
});

test("keys of several characters, and keys from before the question, predict nothing", { skip }, async t => {
  const file = path.join(temporaryFolder(t), "mine.yaml");
  writeFileSync(file, LESSON);
  const run = onTerminal(t, "lwt-demo", ["--quiz", "--step", file]);
  await answer(run, [[/Space: next step/, "b"]]);
  await run.waitFor("what is shown again", () => run.stdout.split("Two steps").length === 3 || undefined);
  type(run, "  1");
  await run.outputHas("Press the number");
  for (const key of [`${ESC}[3~`, `${ESC}[1~`, `${ESC}OQ`]) type(run, key);
  await answer(run, [
    [/Press the number/, "2"],
    [/how it is\.\n+Space: next step;/, " "],
  ]);
  assert.equal(await run.exit(), 0);
  assert.match(run.stdout, /Predictions: 1 of 1 right/);
});

test("Ctrl-C while a key is waited for leaves with 130", { skip }, async t => {
  const run = onTerminal(t, "lwt-demo", ["--step", "queued"]);
  await answer(run, [[/Space: next step/, CTRL_C]]);
  assert.equal(await run.exit(), 130);
});

test("--quiz asks for a prediction, says whether it was right, and keeps score", { skip }, async t => {
  const file = path.join(temporaryFolder(t), "mine.yaml");
  writeFileSync(file, LESSON);
  for (const [key, said] of [
    ["2", /right +your prediction: 2[^]*Predictions: 1 of 1 right/],
    ["1", /wrong +your prediction: 1[^]*Predictions: 0 of 1 right/],
  ] as const) {
    const run = onTerminal(t, "lwt-demo", ["--quiz", file]);
    await answer(run, [[/Press the number/, key]]);
    assert.equal(await run.exit(), 0);
    assert.match((await screenAtEnd(run)).join("\n"), said);
  }
});

test("without a keyboard --step and --quiz wait for nothing; --pace waits so long before each step", async t => {
  const file = path.join(temporaryFolder(t), "mine.yaml");
  writeFileSync(file, LESSON);
  const run = command(t, "lwt-demo", ["--step", "--quiz", "--pace", "0.5", file], { json: false });
  const since = performance.now();
  assert.equal(await run.exit(), 0);
  assert.ok(performance.now() - since > 1000);
  assert.match(run.stdout, /answer +2 +two/);
  assert.doesNotMatch(run.stdout, /Space|Predictions/);
});

test("in pipes there is nothing but text", async t => {
  const broker = command(t, "lwt-broker", ["--port", "0"], { json: false });
  const port = await broker.waitFor("port", () => /127\.0\.0\.1:(\d+)/.exec(broker.stdout)?.[1]);
  const sub = command(t, "sub-lwt", ["-p", port, "-d"], { json: false });
  await sub.outputHas("Ctrl-C stops");
  await broker.outputHas("sensors/lastwill");
  const args = ["--fail", "keep-alive", "-k", "1", "--after", "1"];
  const pub = command(t, "pub-lwt", ["-p", port, ...args], { json: false });
  const lonely = command(t, "pub-lwt", ["-p", String(await freePort()), "--connect-timeout", "1.2"], {
    json: false,
  });
  assert.equal(await pub.exit(), 0);
  assert.equal(await lonely.exit(), 1);
  await sub.outputHas("OFFLINE");
  for (const { stdout, stderr } of [broker, sub, pub, lonely])
    assert.doesNotMatch(stdout + stderr, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
});

test("where the locale knows ASCII only, our own drawing is in it, and a payload in JSON stays as it is", {
  skip,
}, async t => {
  const env = { LC_ALL: "C" };
  const { process: broker, port } = await brokerOnTerminal(t, { env });
  const sub = onTerminal(t, "sub-lwt", ["-p", port], { env });
  await broker.outputHas("sensors/lastwill");
  const json = command(t, "sub-lwt", ["-p", port, "-i", "json", "-t", "#"], { env });
  await json.event("subscribed");
  const pub = onTerminal(t, "pub-lwt", ["-p", port, "--fail", "no-disconnect", "--after", "1"], { env });
  assert.equal(await pub.exit(), 0);
  await sub.outputHas("OFFLINE");
  const arrow = onTerminal(t, "pub-lwt", ["-p", port, "-t", "arrow", "-m", "a → b"], { env });
  await json.event("message", { payload: "a → b" });
  const help = await endsOnTerminal(
    t,
    ALL.map(name => ({ name, args: ["--help", "all"] })),
    { env },
  );
  await arrow.exit();
  for (const { stdout } of [broker, sub, pub, arrow, ...help]) assert.match(stdout, /^[\x00-\x7f]+$/);
});

test("--raw to a terminal warns, and what comes next begins a line", { skip }, async t => {
  const { port } = await lwtBroker(t);
  const sub = onTerminal(t, "sub-lwt", ["-p", String(port), "--raw", "-t", "raw", "-C", "1"]);
  await sub.outputHas("unchanged, so a message");
  const pub = command(t, "pub-lwt", [
    "-p",
    String(port),
    "-t",
    "raw",
    "-m",
    "no line feed",
    "-r",
    "--no-status",
  ]);
  assert.equal(await pub.exit(), 0);
  const lines = await screenAtEnd(sub);
  assert.equal(lines.at(-2), "no line feed");
  assert.match(lines.at(-1) ?? "", /1 received/);
});

test("--raw into anything else gives the bytes as they came, and does not warn", async t => {
  const { port } = await lwtBroker(t);
  const to = ["-p", String(port), "-t", "raw"];
  assert.equal(await command(t, "sub-lwt", [...to, "--subscribe-only"]).exit(), 0);
  const payloads = ["\ufefftext", "\u001b[2J", " "].map(text => Buffer.from(text));
  payloads.push(Buffer.from([0xff, 0x00, 0xc3, 0x28]), Buffer.from([0xed, 0xa0, 0x80]));
  const input = Buffer.concat(payloads.flatMap(payload => [payload, Buffer.from("\n")]));
  assert.equal(await command(t, "pub-lwt", [...to, "-l", "--no-status"], { input }).exit(), 0);
  const cwd = temporaryFolder(t);
  const file = path.join(cwd, "bytes");
  const args = [path.join(binDir, "sub-lwt.cjs"), ...to, "--raw", "-C", String(payloads.length)];
  const stdio: StdioOptions = ["ignore", openSync(file, "w"), "pipe"];
  const child = spawn(process.execPath, args, { cwd, env: environment(cwd), stdio });
  const sub = new Running(t, child);
  assert.equal(await sub.exit(), 0);
  assert.deepEqual(readFileSync(file), Buffer.concat(payloads));
  assert.doesNotMatch(sub.stderr, /--raw/);
});

test("passwd asks twice, shows nothing of what is typed, and takes mistakes back", { skip }, async t => {
  const file = path.join(temporaryFolder(t), "users.txt");
  const passwd = () => onTerminal(t, "lwt-broker", ["passwd", file, "anna"]);
  const asked = (run: Running, times: number) =>
    run.waitFor("question", () =>
      run.stdout.match(/Password for anna: |Repeat it: /g)?.length === times ? true : undefined,
    );
  const enter = async (run: Running, ...texts: string[]) => {
    for (const [i, text] of texts.entries()) {
      await asked(run, i + 1);
      type(run, text);
    }
  };
  const right = passwd();
  await enter(right, "wrong\u0015Sesaim\u007f\u007f\u007fame-\u00e9\u{1f511}\r", "Sesame-\u00e9\u{1f511}\r");
  assert.equal(await right.exit(), 0, right.stdout);
  const [, proof = ""] = /^anna:(.*)$/m.exec(readFileSync(file, "utf8")) ?? [];
  const hash = parseHash(proof);
  assert.ok(hash && (await verifyPassword(Buffer.from("Sesame-\u00e9\u{1f511}"), hash)));
  assert.deepEqual(await screenAtEnd(right).then(lines => lines.slice(0, 2)), [
    "Password for anna: ",
    "Repeat it: ",
  ]);

  const different = passwd();
  await enter(different, "Sesame\r", "Sesam\r");
  assert.equal(await different.exit(), 2);
  assert.match(different.stdout, /the two passwords differ/);
  const ended = passwd();
  await enter(ended, "\u0004");
  assert.equal(await ended.exit(), 130);
  const interrupted = passwd();
  await enter(interrupted, `Sesame${CTRL_C}`);
  assert.equal(await interrupted.exit(), 130);
  assert.ok(readFileSync(file, "utf8").includes(`\nanna:${proof}\n`), "it is as it was");
  for (const run of [right, different, ended, interrupted]) assert.doesNotMatch(run.stdout, /Ses|wrong/);
});

test("the check counts its lessons on one line, which is gone at the end, and Ctrl-C leaves a table", {
  skip,
}, async t => {
  const run = onTerminal(t, "lwt-demo", ["check"]);
  await run.outputHas(/\d of \d+ lessons; running: [\w-]+, /);
  type(run, CTRL_C);
  assert.equal(await run.exit(), 130);
  const screen = await screenAtEnd(run);
  assert.ok(!screen.some(line => line.includes("running:")));
  assert.ok(screen.some(line => /^old-subscription +S3 +skipped +interrupted$/.test(line)));
  assert.ok(screen.some(line => /: \d+ held, \d+ deviate, \d+ skipped; stopped before the end$/.test(line)));
});
