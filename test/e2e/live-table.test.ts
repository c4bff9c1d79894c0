import assert from "node:assert/strict";
import { test } from "node:test";
import { liveTable } from "../../src/cli/live-table.js";
import type { ClientEvent, Delivery, MachineState, Timed } from "../../src/events/events.js";
import { MachineTracker } from "../../src/domain/machine-tracker.js";
import { subOptions } from "../../src/config/options/sub-options.js";
import { machineTable } from "../../src/render/machine-table.js";
import { plainTheme } from "../../src/render/theme.js";
import { merge } from "../../src/config/settings/merge-sources.js";
import { subSettings } from "../../src/config/settings/sub-settings.js";
import { MAX_MACHINES } from "../../src/domain/sequence-tally.js";
import { machineTopics } from "../../src/protocol/topics.js";
import { command, lwtBroker, type Running } from "../support/processes.js";
import { field, packet } from "../support/packets.js";
import { RawClient } from "../support/raw-client.js";
import { plainScreen } from "../support/screens.js";
import { CTRL_C, onTerminal, skip, type } from "../support/terminals.js";
import { TerminalWindow } from "../support/terminal-window.js";

const windowOf = ({ stdout }: Running, columns = 80) => new TerminalWindow(columns, 24).write(stdout);

/** Waits until the window shows it; returns its lines. */
const shows = (run: Running, what: (lines: string[]) => boolean) =>
  run.waitFor("the table", () => {
    const { lines } = windowOf(run);
    return what(lines) ? lines : undefined;
  });

const NAMES = Array.from({ length: 40 }, (_, i) => `Machine${i + 1}`);
/** Returns the names of the machines in that state. */
const inState = (lines: string[], state: string, more = /(?:)/) => {
  const pattern = new RegExp(String.raw`${state} +>?\d+. (Machine\S+)${more.source}`, "g");
  return [...lines.join("\n").matchAll(pattern)].map(([, name]) => name);
};

test("--table: forty machines in 80 × 24, with and without colour; Ctrl-C leaves the last table and a clean terminal", {
  skip,
}, async t => {
  const { port } = await lwtBroker(t);
  const table = (id: string, env: Record<string, string>) =>
    onTerminal(t, "sub-lwt", ["-p", String(port), "-i", id, "--table"], { env });
  const coloured = table("coloured", {});
  const plain = table("plain", { NO_COLOR: "1" });
  for (const run of [coloured, plain]) await shows(run, lines => lines.includes("no machine seen yet"));
  const fleet = command(t, "pub-lwt", ["-p", String(port), "--machines", "40", "--interval", "0.5"]);
  for (const run of [coloured, plain]) {
    const lines = await shows(run, lines => inState(lines, "ONLINE", / +#\d+ +\d+s/).length === 40);
    assert.match(lines[0] ?? "", /^(coloured|plain) ← mqtt:\/\/127\.0\.0\.1:\d+ +Ctrl-C stops gracefully$/);
    assert.match(lines[1] ?? "", /^40 ONLINE +\d+ messages: none missing, no duplicates$/);
    assert.deepEqual(new Set(inState(lines, "ONLINE")), new Set(NAMES));
    assert.equal(lines.filter(line => /ONLINE .* ONLINE/.test(line)).length, 20);
  }
  fleet.child.kill("SIGKILL");
  for (const run of [coloured, plain]) {
    const lines = await shows(run, lines => inState(lines, "OFFLINE").length === 40);
    assert.match(lines[1] ?? "", /^40 OFFLINE +\d+ messages: none missing, no duplicates$/);
    assert.deepEqual(new Set(inState(lines, "OFFLINE")), new Set(NAMES));
    type(run, CTRL_C);
    assert.equal(await run.exit(), 0);
  }
  const ends = [coloured, plain].map(run => windowOf(run));
  for (const { lines, above, cursor } of ends) {
    assert.deepEqual(inState(lines, "OFFLINE").length, 40);
    assert.equal(lines.filter(line => /^state +for +machine/.test(line)).length, 1, "one table is left");
    assert.ok(
      above.some(line => line.includes("session    new")),
      "what came before it has scrolled out",
    );
    assert.ok(!above.some(line => line.includes("Machine")), "and no copy of the table");
    assert.deepEqual(cursor, { row: lines.findLastIndex(line => line !== "") + 1, line: "" });
  }
  const [withColour, without] = ends.map(({ lines }) =>
    lines.join("\n").replaceAll(/\d+(s| messages)/g, "N$1"),
  );
  assert.equal(withColour, without);
  assert.match(coloured.stdout, /\u001b\[\d+m/);
  assert.doesNotMatch(plain.stdout, /\u001b\[[\d;]*m/);
});

test("--table in a pipe: the table once, at the end", async t => {
  const { port } = await lwtBroker(t);
  const sub = command(t, "sub-lwt", ["-p", String(port), "--table", "--until", "offline"], { json: false });
  await sub.outputHas("the table  is printed at the end");
  const args = ["-p", String(port), "--interval", "0.05", "--after", "2", "--fail", "no-disconnect"];
  assert.equal(await command(t, "pub-lwt", args).exit(), 0);
  assert.equal(await sub.exit(), 0);
  const [counts, title, ...rows] = sub.stdout.trimEnd().split("\n");
  assert.match(counts ?? "", /^1 OFFLINE +4 messages: none missing, no duplicates$/);
  assert.match(title ?? "", /^state +since +for machine +last +ago$/);
  assert.equal(rows.length, 1);
  assert.match(rows[0] ?? "", /^OFFLINE +\d\d:\d\d:\d\d +0s Machine1 +#2 +\ds$/);
  assert.doesNotMatch(sub.stdout + sub.stderr, /\u001b/);
});

test("--table and --json exclude each other: a program is told so as an event", async t => {
  const sub = command(t, "sub-lwt", ["--table"]);
  assert.equal(await sub.exit(), 2);
  const [{ message, hint } = assert.fail()] = sub.all("error");
  assert.equal(message, "--table and --json exclude each other.");
  assert.match(hint, /use --json: every event, and at the end the summary/);
});

const settings = subSettings(merge(subOptions, []), {
  readFile: () => assert.fail(),
  ownSuffix: () => assert.fail(),
});
const TIME = "2026-03-01T14:03:05.000Z";
const NOW = Date.parse(TIME);

function reading(machine: string, seq: number, delivery: Delivery = "live", time = TIME): Timed<ClientEvent> {
  const { readings: topic } = machineTopics("Binil", machine);
  const flags = { qos: 1 as const, retain: delivery === "retained", dup: false, packetId: 1 };
  const content = { payload: "{}", payloadBase64: null, evidence: "", run: "aaaaaaaa", seq };
  return { time, event: "message", topic, machine, delivery, ...flags, ...content };
}

function status(
  machine: string | null,
  state: MachineState,
  delivery: Delivery = "live",
): Timed<ClientEvent> {
  const topic = machine === null ? "sensors/lastwill" : machineTopics("Binil", machine).status;
  return { time: TIME, event: "status", machine, state, topic, payload: "", delivery };
}

const heard = (...events: Timed<ClientEvent>[]) => {
  const machines = new MachineTracker("Binil");
  for (const event of events) machines.add(event);
  return machines;
};
const tableOf = (machines: MachineTracker, columns: number, rows: number, after = 0) =>
  machineTable(machines, { columns, rows }, NOW + after, plainTheme).map(line => line.trimEnd());

test("what is known of a machine, and what is only known to be no later", () => {
  const machines = heard(
    status("Machine10", "online"),
    reading("Machine10", 7),
    reading("Machine10", 10),
    reading("Machine10", 10),
    status("Machine2", "online", "retained"),
    reading("Machine2", 3, "queued"),
    status(null, "offline"),
    reading("silent", 1),
  );
  assert.deepEqual(tableOf(machines, 80, 24, 12_000), [
    "1 OFFLINE  1 UNKNOWN  2 ONLINE                5 messages: 2 missing, 1 duplicate",
    "state       since  for machine          last  ago",
    `OFFLINE  ${clockOf(TIME)}  12s sensors/lastwill`,
    `UNKNOWN  ${clockOf(TIME)}  12s silent             #1  12s`,
    `ONLINE  <${clockOf(TIME)} >12s Machine2           #3 >12s`,
    `ONLINE   ${clockOf(TIME)}  12s Machine10         #10  12s  2 missing, 1 duplicate`,
  ]);
  machines.add(status("Machine2", "online", "retained"));
  machines.add(status("Machine10", "stopped"));
  assert.match(
    tableOf(machines, 40, 24, 200_000).join("\n"),
    /STOPPED +3m Machine10 .*\nONLINE +>3m Machine2 /,
  );
});

const clockOf = (time: string) => new Date(time).toTimeString().slice(0, 8);

test("what does not fit is counted, and what has failed stays in sight", () => {
  const many = Array.from({ length: 10_000 }, (_, i) => status(`Machine${i + 1}`, "online"));
  const machines = heard(...many, status("Machine9876", "offline"), status("Machine500", "stopped"));
  const lines = tableOf(machines, 80, 23);
  assert.equal(lines.length, 23);
  assert.match(lines[2] ?? "", /^OFFLINE +0s Machine9876/);
  assert.match(lines[3] ?? "", /^STOPPED +0s Machine500 /);
  assert.match(lines[4] ?? "", /^ONLINE +0s Machine1 /);
  assert.match(lines[5] ?? "", /^ONLINE +0s Machine2 /);
  assert.equal(lines.at(-1), "and 9940 more: 9940 ONLINE");
});

test("of more machines, or longer names, than anyone needs, only the messages are counted", () => {
  const machines = heard(reading("x".repeat(1000), 1));
  for (let i = 0; i < MAX_MACHINES + 5; i++) machines.add(reading(`${i}`, 1));
  assert.equal(machines.sortedByName().length, MAX_MACHINES);
  const lines = tableOf(machines, 80, 24);
  assert.equal(lines.length, 24);
  assert.equal(lines.at(-1), `and 6 messages of others: at most ${MAX_MACHINES} machines are counted`);
});

test("a summary leaves out what came of too many machines, and says so", async t => {
  const { port, process: broker } = await lwtBroker(t);
  const count = MAX_MACHINES + 3;
  const sub = command(t, "sub-lwt", ["-p", String(port), "-C", String(count), "-q", "0"], { json: false });
  await broker.event("subscribed", { topicFilter: "sensors/lastwill" });
  const client = await RawClient.connect(t, port, { clientId: "many" });
  const topics = Array.from({ length: count }, (_, i) => `Binil/M${i}/SensorData`);
  client.socket.write(Buffer.concat(topics.map(topic => packet(0x30, field(topic), Buffer.from("x")))));
  assert.equal(await sub.exit(), 0);
  assert.match(
    sub.stderr.replaceAll(/\s+/g, " "),
    new RegExp(
      `sub-lwt: 3 messages are in no machine's summary: at most ${MAX_MACHINES} machines are counted`,
    ),
  );
  assert.equal(sub.stderr.match(/1 received: 1 live/g)?.length, MAX_MACHINES);
});

const DEADLINE_MS = 60_000;

/** A terminal in this process, whose size can change. */
class FakeTerminal {
  columns = 80;
  rows = 24;
  window = new TerminalWindow(80, 24);
  #changed = () => {};

  write(text: string): void {
    this.window.write(text);
    this.#changed();
  }

  /** Wraps the lines anew, as most terminals do. */
  resize(columns: number, rows: number): void {
    const { lines } = this.window;
    Object.assign(this, { columns, rows, window: new TerminalWindow(columns, rows) });
    this.window.write(lines.join("\r\n"));
  }

  waitFor(text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${text}: ${this.window.lines.join("\n")}`)),
        DEADLINE_MS,
      );
      this.#changed = () => {
        const shown = this.window.lines.join("\n").trimEnd();
        if (!shown.includes(text)) return;
        clearTimeout(timer);
        resolve(shown);
      };
    });
  }
}

test("a window that changes its size, and a connection that is lost: the table says so, and stays whole", async () => {
  const terminal = new FakeTerminal();
  const { render, live } = liveTable(settings, plainScreen, true);
  live(terminal as unknown as NodeJS.WriteStream, null);
  terminal.write("$ sub-lwt --table\r\n");
  const connected: Timed<ClientEvent> = {
    time: TIME,
    event: "connected",
    broker: "mqtt://127.0.0.1:1883",
    clientId: "Subscriber1",
    cleanSession: false,
    sessionPresent: true,
    keepAlive: 60,
    protocolVersion: "3.1.1",
    will: null,
    willDelay: null,
    granted: null,
  };
  render(connected);
  for (const name of NAMES) render(status(`${name}x7f3a9c`, "online"));
  await terminal.waitFor("Machine40x7f3a9c");
  assert.deepEqual(terminal.window.above, ["$ sub-lwt --table"]);
  terminal.resize(40, 12);
  const narrow = (await terminal.waitFor("and 32 more: 32 ONLINE")).split("\n");
  assert.equal(narrow.length, 12);
  assert.equal(narrow[0], "Subscriber1 ← mqtt://127.…  Ctrl-C stops");
  assert.match(narrow[3] ?? "", /^ONLINE +\d+. Machine1x7f3a9c$/);
  const lost = terminal.waitFor("NOT CONNECTED");
  render({
    time: new Date().toISOString(),
    event: "disconnected",
    graceful: false,
    reason: "no\u001b answer",
    reasonCode: null,
  });
  const lines = (await lost).split("\n");
  assert.match(lines[0] ?? "", /^Subscriber1 ←.* NOT CONNECTED for \ds$/);
  assert.equal(lines.at(-1), String.raw`no\u001b answer`);
  terminal.resize(100, 30);
  const wide = await terminal.waitFor("Machine40x7f3a9c");
  assert.equal(inState(wide.split("\n"), "ONLINE").length, 40);
  const again = terminal.waitFor("Ctrl-C stops gracefully");
  render(connected);
  assert.doesNotMatch(await again, /answer/);
});
