import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { withoutPassword } from "../../src/lessons/language/args-sandbox.js";
import { command, ends, freePort, lwtBroker, type Running, temporaryFolder } from "../support/processes.js";
import { answering } from "../support/servers.js";

/** Must be found nowhere; in a URL it is percent-encoded. */
const PASSWORD = "p@ss/Wörd-4711";
const ENCODED = encodeURIComponent(PASSWORD);
const FORMS = [PASSWORD, ENCODED, ENCODED.toLowerCase(), "4711", Buffer.from(PASSWORD).toString("base64")];

interface Way {
  args?: (port: number) => string[];
  env?: Record<string, string>;
  file?: string;
}

/** The ways to give a password; the fifth, a lesson, has its own test. */
const WAYS: Record<string, Way> = {
  option: { args: port => ["-p", String(port), "-u", "ann", "--password", PASSWORD] },
  "short option": { args: port => ["-p", String(port), "-u", "ann", `-dP${PASSWORD}`] },
  URL: { args: port => ["-b", `mqtt://ann:${ENCODED}@127.0.0.1:${port}`] },
  environment: { env: { LWT_USERNAME: "ann", LWT_PASSWORD: PASSWORD } },
  ".env": { file: `LWT_USERNAME=ann\nLWT_PASSWORD='${PASSWORD}'\n` },
};

/** The ends of a run, each with --debug and --json. */
const ENDS: Record<string, { name: string; args: string[]; port: (t: TestContext) => Promise<number> }> = {
  "no broker": { name: "sub-lwt", args: ["--connect-timeout", "0.2"], port: () => freePort() },
  refused: { name: "pub-lwt", args: ["-m", "x"], port: t => answering(t, [0x20, 2, 0, 4]) },
  "a connection": {
    name: "pub-lwt",
    args: ["-m", "x", "--outbox", "box"],
    port: async t => (await lwtBroker(t)).port,
  },
};

function assertHidden(text: string, where: string): void {
  for (const form of FORMS) assert.ok(!text.includes(form), `${where} has ${form}: ${text}`);
}

function assertStoredNowhere(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true }))
    if (entry.isFile() && entry.name !== ".env")
      assertHidden(readFileSync(path.join(entry.parentPath, entry.name), "latin1"), entry.name);
}

const titleOf = ({ child }: Running) => readFileSync(`/proc/${child.pid}/cmdline`, "utf8");

for (const [end, { name, args, port }] of Object.entries(ENDS))
  test(`a password is in nothing that is said or kept: ${end}`, async t => {
    const at = await port(t);
    await Promise.all(
      Object.entries(WAYS).map(async ([way, { args: given, env = {}, file }]) => {
        const cwd = temporaryFolder(t);
        if (file !== undefined) writeFileSync(path.join(cwd, ".env"), file);
        const to = given?.(at) ?? ["-p", String(at)];
        const id = way.replaceAll(/\W/g, "");
        const run = command(t, name, [...to, "-i", id, ...args, "--debug"], { env, cwd });
        await run.exit();
        assert.ok(run.stdout + run.stderr !== "");
        assertHidden(run.stdout + run.stderr, way);
        assertStoredNowhere(cwd);
      }),
    );
  });

test("a password is in nothing that is said: of settings, and of a bad option", async t => {
  const cwd = temporaryFolder(t);
  const runs = Object.values(WAYS).flatMap(({ args: given, env = {}, file }, i) => {
    const folder = path.join(cwd, String(i));
    mkdirSync(folder);
    if (file !== undefined) writeFileSync(path.join(folder, ".env"), file);
    const more = [...(given?.(1) ?? ["-p", "1"]), "-i", "X", "--debug", "--json"];
    return [
      { name: "sub-lwt", args: [...more, "--show-settings"], env, cwd: folder },
      { name: "pub-lwt", args: [...more, "--qos", "7"], env, cwd: folder },
    ];
  });
  for (const [i, { exit, stdout, stderr }] of (await ends(t, runs)).entries()) {
    assert.equal(exit, i % 2 === 0 ? 0 : 2);
    assert.ok(stdout + stderr !== "");
    assertHidden(stdout + stderr, `${runs[i]?.name} ${i}`);
  }
  assertStoredNowhere(cwd);
});

test("a URL in the wrong place is told without its password", async t => {
  const url = `mqtt://ann:${PASSWORD}@h`;
  const wrong = [[url], ["--port", url], ["--interval", url], ["-b", `${url}:x`], ["--keep-alive", url]];
  const runs = await ends(
    t,
    wrong.map(args => ({ name: "pub-lwt", args: [...args, "--json"] })),
  );
  for (const [i, { exit, stdout, stderr }] of runs.entries()) {
    assert.equal(exit, 2);
    assertHidden(stdout + stderr, String(wrong[i]));
  }
});

const noTitles = process.platform === "linux" ? false : "only Linux shows it in a file";
test("a password leaves the command line that others can read", { skip: noTitles }, async t => {
  const { port } = await lwtBroker(t);
  for (const way of ["option", "short option", "URL"]) {
    const args = [...(WAYS[way]?.args?.(port) ?? []), "-i", way.replace(" ", ""), "-t", "#"];
    const run = command(t, "sub-lwt", args);
    // oxlint-disable-next-line no-await-in-loop
    await run.event("connected");
    assertHidden(titleOf(run), way);
  }
});

const LESSON = `name: secret
title: A lesson with a password
steps:
  - say: A subscriber with a password.
  - start: Subscriber1
    run: [sub-lwt, -u, ann, -EP, "${PASSWORD}"]
  - expect: subscribed
    from: Subscriber1
    what: it subscribes
  - start: Machine1
    run: [pub-lwt, -u, ann, "--password=${PASSWORD}", -C, "1"]
  - expect: connected
    from: Machine1
    where: { clientId: nobody }
    within: 1
    what: fails
`;

test("a lesson's password reaches its clients, and neither the screen nor the transcript", async t => {
  const cwd = temporaryFolder(t);
  writeFileSync(path.join(cwd, "secret.yaml"), LESSON);
  for (const json of [true, false]) {
    const run = command(t, "lwt-demo", ["./secret.yaml", "--transcript", "story.md"], { cwd, json });
    // oxlint-disable-next-line no-await-in-loop
    assert.equal(await run.exit(), 1);
    assert.match(run.stdout, /sub-lwt -u ann -E/);
    assertHidden(run.stdout + run.stderr, "lwt-demo");
    assertHidden(readFileSync(path.join(cwd, "story.md"), "utf8"), "transcript");
  }
});

test("a password in any form of the option goes to the environment", () => {
  const environment = { LWT_PASSWORD: "s" };
  const rest = ["-u", "ann"];
  for (const form of [["-P", "s"], ["-Ps"], ["-P=s"], ["--password", "s"], ["--password=s"]])
    assert.deepEqual(withoutPassword([...form, ...rest]), { args: rest, environment }, form.join(" "));
  assert.deepEqual(withoutPassword(["-dP", "s", ...rest]), { args: ["-d", ...rest], environment });
  assert.deepEqual(withoutPassword(rest), { args: rest, environment: {} });
});

const noModes = process.platform === "win32" ? "no such rights on Windows" : false;
const modeOf = (...parts: string[]) => (statSync(path.join(...parts)).mode & 0o777).toString(8);
/** Leaves out the lock, a socket on some systems, and the reserved disk space. */
const filesOf = (folder: string) => readdirSync(folder).filter(name => name.startsWith("journal-"));

/** The folders that commands make, with their commands. */
const KEEPERS: Record<string, (t: TestContext, cwd: string, port: number) => Running> = {
  box: (t, cwd, port) => command(t, "pub-lwt", ["-p", String(port), "--outbox", "box", "-m", "x"], { cwd }),
  data: (t, cwd) => command(t, "lwt-broker", ["--port", "0", "--data", "data"], { cwd }),
};

for (const [folder, keeper] of Object.entries(KEEPERS))
  test(`${folder}: folder and files are the owner's only, and a wider folder is told`, {
    skip: noModes,
  }, async t => {
    const { port } = await lwtBroker(t);
    const cwd = temporaryFolder(t);
    const opened = folder === "box" ? "outbox-opened" : "store-opened";
    const keep = async () => {
      const run = keeper(t, cwd, port);
      await run.event(opened);
      run.child.send("stop");
      await run.exit();
      return run;
    };
    const own = await keep();
    assert.equal(modeOf(cwd, folder), "700");
    assert.ok(filesOf(path.join(cwd, folder)).length > 0);
    for (const name of filesOf(path.join(cwd, folder))) {
      assert.equal(modeOf(cwd, folder, name), "600", name);
      chmodSync(path.join(cwd, folder, name), 0o644); // as an earlier version did
    }
    assert.deepEqual(
      own.all("warning").filter(({ code }) => code === "folder-open-to-others"),
      [],
    );

    chmodSync(path.join(cwd, folder), 0o777);
    const wide = await keep();
    await wide.event("warning", { code: "folder-open-to-others" });
    assert.equal(modeOf(cwd, folder), "777", "it is the user's to say");
    for (const name of filesOf(path.join(cwd, folder))) assert.equal(modeOf(cwd, folder, name), "600", name);
  });

test("the state folder and what is in it are the owner's only", { skip: noModes }, async t => {
  const cwd = temporaryFolder(t);
  mkdirSync(path.join(cwd, "state"));
  const env = { XDG_STATE_HOME: path.join(cwd, "state", "new"), HOME: cwd };
  const run = command(t, "sub-lwt", ["-b", "broker.example", "--show-settings"], { cwd, env });
  assert.equal(await run.exit(), 0);
  const [suffix] = readdirSync(cwd, { recursive: true, encoding: "utf8" }).filter(name =>
    name.endsWith("suffix"),
  );
  assert.ok(suffix !== undefined);
  assert.equal(modeOf(cwd, suffix), "600");
  assert.equal(modeOf(cwd, path.dirname(suffix)), "700");
});

/** Commands that a lesson may not start, and the messages. */
const STRAYS: [run: string, says: RegExp][] = [
  ["[pub-lwt, --outbox, /tmp/x]", /--outbox in a lesson names a file in the folder of the run/],
  ["[pub-lwt, --outbox=../x]", /--outbox/],
  ["[pub-lwt, --outbox, 'a/../../x']", /--outbox/],
  ["[pub-lwt, --outbox, 'a\\..\\..\\x']", /--outbox/],
  ["[pub-lwt, --outbox, 'C:\\x']", /--outbox/],
  ["[pub-lwt, --outbox, 'C:x']", /--outbox/],
  ["[pub-lwt, --outbox, '\\\\server\\share']", /--outbox/],
  ["[pub-lwt, -m, --outbox, /x]", /--outbox/],
  ["sub-lwt --env-file ../.env", /--env-file/],
  ["sub-lwt --cafile /etc/passwd", /--cafile/],
  ["sub-lwt --cert=/etc/passwd", /--cert/],
  ["sub-lwt --key ../key", /--key/],
  ["[lwt-broker, --data, /var/data]", /--data/],
  ["lwt-demo queued", /a lesson starts pub-lwt, sub-lwt, slide-code\.py, lwt-broker, and nothing else/],
  ["rm -rf x", /nothing else/],
  ["../bin/pub-lwt", /nothing else/],
  ["constructor", /nothing else/],
];

test("a lesson starts only our commands, and its files stay in the run's own folder", async t => {
  const { loadLesson } = await import("../../src/lessons/language/load-lesson.js");
  const lesson = (run: string) =>
    `name: stray\ntitle: t\nsteps:\n  - start: A\n    run: ${run}\ncleanup: [[pub-lwt]]\n`;
  for (const [run, says] of STRAYS) {
    assert.throws(() => loadLesson(lesson(run), "stray.yaml"), says, run);
    assert.throws(() => loadLesson(lesson("pub-lwt").replace("[pub-lwt]", run), "stray.yaml"), says, run);
  }
  assert.ok(loadLesson(lesson("[pub-lwt, --outbox, kept/box]"), "stray.yaml"));
  const cwd = temporaryFolder(t);
  writeFileSync(path.join(cwd, "stray.yaml"), lesson("pub-lwt --outbox ../box"));
  const run = command(t, "lwt-demo", ["./stray.yaml"], { cwd });
  assert.equal(await run.exit(), 2);
  assert.match(run.stderr, /stray\.yaml:5:10: run: --outbox in a lesson/);
});
