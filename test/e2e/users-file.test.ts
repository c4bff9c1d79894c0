import assert from "node:assert/strict";
import { chmodSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { command, ends, temporaryFolder } from "../support/processes.js";
import { hash, line, login, startOn, told, usersBroker } from "../support/users-broker.js";

test("the file changes: who is gone, or has another password, is closed; others stay; a bad one changes nothing", async t => {
  const rights = ["everyone", "  publish %u", "anonymous", "  subscribe %c"];
  const broker = await usersBroker(t, [...rights, line("anna"), line("ben"), line("cem")]);
  const clients = await Promise.all(
    ["anna", "ben", "cem", null].map(user => broker.connect(user, user ?? "nobody")),
  );
  const [anna, ben, cem, nobody] = clients;
  await broker.change(...rights, line("anna"), line("ben"), line("cem"), "  publish bad/#/filter");
  const { message, hint } = await told(broker.process, "warning", { code: "users-file" });
  assert.match(message, /users\.txt, line 8: .*\[MQTT-4\.7\.1-2\]/);
  assert.match(hint, /stays in force/);
  await broker.change("");
  for (const client of clients) await client.ping();
  rmSync(broker.file);
  await broker.process.waitFor(
    "that it is gone",
    () => broker.process.all("warning").some(each => each.message.includes("no such file")) || undefined,
  );
  for (const client of clients) await client.ping();
  await broker.change("everyone", "  publish %u", line("anna"), line("ben", "another"));
  for (const [client, clientId] of [
    [ben, "ben"],
    [cem, "cem"],
    [nobody, "nobody"],
  ] as const) {
    await client?.ended(clientId);
    await told(broker.process, "client-disconnected", { clientId, cause: "not-authorized" });
  }
  await anna?.publish("anna", "still here", 1);
  assert.equal(await broker.returnCode({ clientId: "ben", ...login("ben") }), 4);
  assert.equal(await broker.returnCode({ clientId: "ben", userName: "ben", password: "another" }), 0);
  assert.equal(await broker.returnCode({ clientId: "cem", ...login("cem") }), 4);
});

test("a mistake in the file: exit code 2, its line, and nothing of what stands there", async t => {
  const wrong: [text: string, says: RegExp][] = [
    ["", /there is no user in .*passwd/],
    ["# nobody\neveryone\n", /there is no user in/],
    ["  publish #\n", /line 1: this right stands below no user/],
    ["anonymous\n  write secret\n", /line 2: a right is the word publish or subscribe, and a topic filter/],
    ["anonymous\n  publish\n", /line 2: a right is the word/],
    ["anonymous\n\n  subscribe a/#/b\n", /line 3: the topic filter is not allowed: # must be the last level/],
    ["anonymous\n  publish $SYS/#\n", /line 2: \$SYS belongs to the broker, so nobody may publish there/],
    ["anonymous\n  publish %u/x\n", /line 2: anonymous clients have no name for %u/],
    ["anonymous\r\n\r\nanonymous\r\n", /line 3: anonymous stands in an earlier line/],
    [`${line("anna")}\n${line("anna")}\n`, /line 2: the user anna stands in an earlier line/],
    ["anna\n", /line 1: this is not everyone or anonymous, .*passwd/],
    ["anna:secret\n", /line 1: the text after anna is no password hash.*passwd .* anna/],
    [`anna:${hash("x").replace("ln=4", "ln=30")}\n`, /line 1: .*its cost is too high/],
    [`:${hash("x")}\n`, /line 1: the user name is not allowed: it is empty/],
  ];
  const folder = temporaryFolder(t);
  const files = wrong.map((_, i) => path.join(folder, `users-${i}.txt`));
  for (const [i, [text]] of wrong.entries()) writeFileSync(files[i] ?? "", text);
  const using = (file: string) => ({ name: "lwt-broker", args: ["--port", "0", "--users", file] });
  const runs = await ends(t, [...files, path.join(folder, "absent.txt")].map(using));
  wrong.push(["absent", /cannot read .*absent\.txt: there is no such file.*passwd/]);
  for (const [i, [text, says]] of wrong.entries()) {
    const { exit, stdout, stderr } = runs[i] ?? assert.fail();
    assert.equal(exit, 2, text);
    assert.match(stderr.replaceAll(/\s+/g, " "), says);
    assert.doesNotMatch(stderr, /secret|scrypt/);
    assert.equal(stdout, "");
  }
});

test("passwd: a line from a pipe; a new file is its owner's only; all else in an old one stays", async t => {
  const folder = temporaryFolder(t);
  const file = path.join(folder, "users.txt");
  const passwd = (user: string, input: string, more: string[] = []) =>
    command(t, "lwt-broker", ["passwd", file, user, ...more], { input });
  const add = passwd("anna", "Hidden-1\nnot this\n");
  assert.equal(await add.exit(), 0, add.stderr);
  const { time: _, ...event } = await add.event("password-set");
  assert.deepEqual(event, { event: "password-set", file, user: "anna", added: true });
  if (process.platform !== "win32") assert.equal(statSync(file).mode & 0o777, 0o600);
  // It works as it is, with the topics of the course.
  const broker = await startOn(t, file);
  const env = { LWT_PASSWORD: "Hidden-1" };
  const own = ["-b", broker.url, "-u", "anna", "--machine", "anna"];
  const pub = command(t, "pub-lwt", [...own, "-C", "1"], { env });
  assert.equal(await pub.exit(), 0, pub.stderr);
  await pub.event("acknowledged", { topic: "Binil/anna/Status" });
  const failing = command(t, "pub-lwt", [...own, "--fail", "network", "--after", "1"], { env });
  assert.equal(await failing.exit(), 0, failing.stderr);
  await broker.process.event("will-published", { topic: "Binil/anna/Status" });
  // Another user's topics are refused, for a will and for readings.
  const asBen = ["-b", broker.url, "-u", "anna", "--machine", "ben", "-C", "1", "--reconnect-timeout", "0"];
  const willOfBen = command(t, "pub-lwt", asBen, { env });
  assert.equal(await willOfBen.exit(), 1);
  assert.match((await willOfBen.event("error", { code: "refused" })).hint, /--machine NAME/);
  const readingOfBen = command(t, "pub-lwt", [...asBen, "--no-will", "--no-status"], { env });
  assert.equal(await readingOfBen.exit(), 1);
  await broker.process.event("not-authorized", { topic: "Binil/ben/SensorData", action: "publish" });
  const sub = command(t, "sub-lwt", ["-b", broker.url, "-u", "anna", "-E"], {
    env: { LWT_PASSWORD: "Hidden-1" },
  });
  assert.equal(await sub.exit(), 0, sub.stderr);

  const others = [
    "\ufeff# kept",
    "everyone",
    "  publish x",
    line("anna.b"),
    line("anna"),
    "  subscribe y",
    line("cem"),
  ];
  writeFileSync(file, others.join("\r\n"));
  chmodSync(file, 0o640);
  const replace = passwd("anna", "H\u00efdden-2\r\n");
  assert.equal(await replace.exit(), 0, replace.stderr);
  assert.equal((await replace.event("password-set")).added, false);
  const now = readFileSync(file, "utf8").split("\r\n");
  assert.match(now[4] ?? "", /^anna:\$scrypt\$/);
  assert.notEqual(now[4], others[4]);
  assert.deepEqual(now.toSpliced(4, 1), others.toSpliced(4, 1));
  const ben = passwd("ben", "Hidden-3");
  assert.equal(await ben.exit(), 0, ben.stderr);
  assert.deepEqual(readFileSync(file, "utf8").split("\r\n").slice(0, 7), now);
  if (process.platform !== "win32") assert.equal(statSync(file).mode & 0o777, 0o640);
  assert.deepEqual(readdirSync(folder), ["users.txt"]);
  await broker.process.event("users-read", { users: 4 });
  assert.equal(await broker.returnCode({ clientId: "new", userName: "anna", password: "H\u00efdden-2" }), 0);

  const wrong: [user: string, input: string, exit: number, says: RegExp][] = [
    ["dora", "\n", 2, /a password has 1 to 1024 bytes/],
    ["dora", "Hidden".repeat(200), 2, /a password has 1 to 1024 bytes/],
    ["dora", "", 130, /^$/],
    ["do:ra", "Hidden", 2, /the user name is not allowed: it has a colon/],
    ["#dora", "Hidden", 2, /begins with #/],
    ["", "Hidden", 2, /the user name is not allowed: it is empty/],
  ];
  const before = readFileSync(file);
  for (const [user, input, exit, says] of wrong) {
    const run = passwd(user, input);
    assert.equal(await run.exit(), exit, run.stderr);
    assert.match(run.stderr, says);
    assert.deepEqual(readFileSync(file), before);
    assert.doesNotMatch(run.stdout + run.stderr, /Hidden/);
  }
  const nowhere = command(t, "lwt-broker", ["passwd", path.join(folder, "none", "users.txt"), "x"], {
    input: "y",
  });
  assert.equal(await nowhere.exit(), 1);
  assert.match(nowhere.stderr, /cannot write .*users\.txt: /);
  for (const run of [add, replace, ben, broker.process])
    assert.doesNotMatch(run.stdout + run.stderr, /Hidden|H\u00efdden|scrypt/);
});
