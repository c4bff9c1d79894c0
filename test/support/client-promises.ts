import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { command, lwtBroker, missing, mosquitto, type Owner, peer, type TestBroker } from "./processes.js";

/** Every promise of the two clients, through their own commands, on a broker. */

interface Kind {
  name: string;
  skip: string | false;
  start: (t: Owner) => Promise<TestBroker>;
}

export const OWN: Kind = { name: "lwt-broker", skip: false, start: lwtBroker };
export const MOSQUITTO: Kind = { name: "Mosquitto", skip: missing("mosquitto", ["-h"]), start: mosquitto };

const causes = ["network", "no-disconnect", "protocol-error", "keep-alive", "crash"];

/** @param which of the promises, by their names; all, unless told otherwise */
export function keepsPromisesOn({ name, skip, start }: Kind, which = /./): void {
  const on = (what: string, run: (t: TestContext, broker: TestBroker) => Promise<void>) => {
    if (which.test(what)) test(`${name}: ${what}`, { skip }, async t => run(t, await start(t)));
  };

  on("each --fail makes the will come", async (t, { url, port, process: broker }) => {
    const sub = command(t, "sub-lwt", ["-b", url]);
    await sub.event("subscribed", { topicFilter: "sensors/lastwill" });
    const others = ["-p", String(port), "-i", "Other", "-t", "Binil/+/Status", "-v"];
    const other = missing("mosquitto_sub", ["--help"]) ? null : peer(t, "mosquitto_sub", others);
    if (other) await broker.outputHas(/"subscribed","clientId":"Other"|SUBACK to Other/);
    const fails = async (cause: string) => {
      const failing = ["--fail", cause, "--after", "2", "-k", "1"];
      const pub = command(t, "pub-lwt", ["-b", url, "--machine", cause, "--interval", "0", ...failing]);
      await sub.event("status", { state: "offline", machine: cause, delivery: "live" });
      await other?.outputHas(`Binil/${cause}/Status Sensor Offline`);
      assert.equal(await pub.exit(), cause === "crash" ? "SIGKILL" : 0);
      const { keepAliveDeadline } = await pub.event("failing", { cause });
      assert.equal(keepAliveDeadline !== null, cause === "keep-alive");
      if (cause !== "crash") await pub.event("witnessed", { cause, will: true });
    };
    await Promise.all(causes.map(fails));
  });

  on("--fail graceful: no will, proved by a marker", async (t, { url }) => {
    const sub = command(t, "sub-lwt", ["-b", url, "-t", "Binil/Machine1/#", "-C", "6"]);
    await sub.event("subscribed");
    const pub = command(t, "pub-lwt", ["-b", url, "--interval", "0", "--fail", "graceful", "--after", "3"]);
    assert.equal(await pub.exit(), 0);
    await pub.event("witnessed", { cause: "graceful", will: false });
    assert.equal(await sub.exit(), 0);
    const topics = sub.all("message").map(({ topic }) => topic);
    assert.deepEqual(topics.at(-1), "Binil/Machine1/marker");
    assert.deepEqual(
      sub.all("status").map(({ state }) => state),
      ["online", "stopped"],
    );
  });

  on("an absent subscriber gets what was sent meanwhile, in order, labelled queued", async (t, { url }) => {
    assert.equal(await command(t, "sub-lwt", ["-b", url, "--subscribe-only"]).exit(), 0);
    const pub = command(t, "pub-lwt", ["-b", url, "--interval", "0", "-C", "50", "--no-status"]);
    assert.equal(await pub.exit(), 0);
    const sub = command(t, "sub-lwt", ["-b", url, "-C", "50"]);
    assert.equal(await sub.exit(), 0);
    assert.equal((await sub.event("connected")).sessionPresent, true);
    const messages = sub.all("message");
    assert.deepEqual(
      messages.map(({ seq }) => seq),
      Array.from({ length: 50 }, (_, i) => i + 1),
    );
    assert.deepEqual([...new Set(messages.map(({ delivery }) => delivery))], ["queued"]);
    const [summary] = (await sub.event("summary")).machines;
    assert.ok(summary && "queued" in summary);
    assert.deepEqual([summary.received, summary.queued, summary.missing, summary.duplicate], [50, 50, 0, 0]);
  });

  on("a message after the queue has been emptied is labelled live", async (t, { url }) => {
    assert.equal(await command(t, "sub-lwt", ["-b", url, "-E"]).exit(), 0);
    assert.equal(await command(t, "pub-lwt", ["-b", url, "-m", "before", "--no-status"]).exit(), 0);
    const sub = command(t, "sub-lwt", ["-b", url, "-d"]);
    await sub.event("message", { payload: "before", delivery: "queued" });
    // The ping that was sent after the queued message, and answered: the queue is known to be empty.
    await sub.waitFor(
      "a ping after the message",
      () => /PUBACK.*[^]*PINGREQ[^]*PINGRESP/.test(sub.stderr) || undefined,
    );
    assert.equal(await command(t, "pub-lwt", ["-b", url, "-m", "after", "--no-status"]).exit(), 0);
    await sub.event("message", { payload: "after", delivery: "live" });
    sub.child.send("stop");
    assert.equal(await sub.exit(), 0);
  });

  on("--count leaves the rest of a queue for the next run", async (t, { url }) => {
    // Mosquitto 2.0.11 stops delivering a QoS 2 queue after a reconnection in the middle of it.
    for (const qos of name === "Mosquitto" ? ["1"] : ["1", "2"]) {
      const id = ["-i", `Counting${qos}`, "-q", qos, "-b", url];
      assert.equal(await command(t, "sub-lwt", [...id, "-E"]).exit(), 0);
      const pub = command(t, "pub-lwt", ["-b", url, "-q", qos, "--interval", "0", "-C", "40", "--no-status"]);
      assert.equal(await pub.exit(), 0);
      const seqs: (number | null)[] = [];
      for (const count of ["10", "30"]) {
        const sub = command(t, "sub-lwt", [...id, "-C", count]);
        assert.equal(await sub.exit(), 0);
        assert.equal((await sub.event("disconnected")).graceful, true);
        seqs.push(...sub.all("message").map(({ seq }) => seq));
      }
      assert.deepEqual(
        seqs,
        Array.from({ length: 40 }, (_, i) => i + 1),
        `QoS ${qos}`,
      );
    }
  });

  on(
    "--hold-acks acknowledges nothing: all of it comes again, until it is acknowledged",
    async (t, { url }) => {
      // Mosquitto 2.0.11 stops delivering a QoS 2 queue after a reconnection in the middle of it.
      for (const qos of ["1", ...(name === "Mosquitto" ? [] : ["2"])]) {
        const id = ["-b", url, "-i", `Holding${qos}`, "-q", qos];
        const follow = (more: string[]) => command(t, "sub-lwt", [...id, "-C", "5", ...more]);
        const marks = (sub: ReturnType<typeof follow>) =>
          sub.all("message").map(({ packetId, seq, dup, delivery }) => ({ packetId, seq, dup, delivery }));
        assert.equal(await command(t, "sub-lwt", [...id, "-E"]).exit(), 0);
        const pub = command(t, "pub-lwt", [
          "-b",
          url,
          "-q",
          qos,
          "--interval",
          "0",
          "-C",
          "5",
          "--no-status",
        ]);
        assert.equal(await pub.exit(), 0);
        const first = follow(["--hold-acks"]);
        assert.equal(await first.exit(), 0);
        assert.match(
          first.stderr,
          /nothing is acknowledged, so the broker sends everything again on the next connection/,
        );
        const [summary] = (await first.event("summary")).machines;
        assert.deepEqual([summary?.notAcknowledged, marks(first).length], [5, 5]);
        const second = follow([]);
        assert.equal(await second.exit(), 0);
        assert.deepEqual(
          marks(second),
          marks(first).map(mark => ({ ...mark, dup: true, delivery: "redelivered" })),
        );
        const third = follow(["-W", "1"]);
        assert.equal(await third.exit(), 27);
        assert.deepEqual(marks(third), []);
      }
    },
  );

  on("--hold-acks keeps its connection alive", async (t, { url }) => {
    const sub = command(t, "sub-lwt", ["-b", url, "--hold-acks", "-k", "1", "-d"]);
    await sub.event("subscribed");
    assert.equal(await command(t, "pub-lwt", ["-b", url, "-m", "x", "--no-status"]).exit(), 0);
    await sub.event("message", { payload: "x" });
    await sub.waitFor("pings", () => /(PINGRESP[^]*){3}/.test(sub.stderr) || undefined);
    assert.doesNotMatch(sub.stderr, /PUBACK/);
  });

  on(
    "a new subscriber gets the retained status, labelled retained, and --until waits for a new one",
    async (t, { url }) => {
      assert.equal(await command(t, "pub-lwt", ["-b", url, "--fail", "network", "--after", "1"]).exit(), 0);
      const sub = command(t, "sub-lwt", ["-b", url, "--until", "offline"]);
      await sub.event("status", { state: "offline", delivery: "retained" });
      assert.equal(await command(t, "pub-lwt", ["-b", url, "--fail", "network", "--after", "1"]).exit(), 0);
      assert.equal(await sub.exit(), 0);
      const retained = command(t, "sub-lwt", ["-b", url, "--retained"]);
      assert.equal(await retained.exit(), 0);
      assert.deepEqual(
        retained.all("message").map(({ payload }) => payload),
        ["Sensor Offline"],
      );
    },
  );

  const bulks = [
    { qos: "1", count: 3000 },
    { qos: "2", count: 1500 },
  ];
  for (const { qos, count } of bulks)
    on(
      `${count} messages at QoS ${qos} without a pause: all acknowledged, none missing`,
      async (t, { url }) => {
        const topic = ["-t", "Binil/+/SensorData", "-b", url, "-q", qos];
        // The session is made first, so that the subscriber may come when it likes.
        assert.equal(await command(t, "sub-lwt", [...topic, "-E"]).exit(), 0);
        const sub = command(t, "sub-lwt", [...topic, "-C", String(count), "--quiet"]);
        const pub = command(t, "pub-lwt", [
          "-b",
          url,
          "-q",
          qos,
          "--interval",
          "0",
          "-C",
          String(count),
          "--quiet",
        ]);
        assert.equal(await pub.exit(), 0);
        assert.doesNotMatch(pub.stderr, /Warning/);
        assert.deepEqual((await pub.event("summary")).machines, [
          {
            machine: "Machine1",
            sent: count,
            acknowledged: count,
            notAcknowledged: 0,
            fromOutbox: null,
            inOutbox: null,
          },
        ]);
        assert.equal(await sub.exit(), 0);
        const [summary] = (await sub.event("summary")).machines;
        assert.ok(summary && "missing" in summary);
        const { received, missing, duplicate, outOfOrder } = summary;
        assert.deepEqual(
          { received, missing, duplicate, outOfOrder },
          { received: count, missing: 0, duplicate: 0, outOfOrder: 0 },
        );
      },
    );

  on("a payload of 200 KB arrives whole", async (t, { url }) => {
    const payload = "x".repeat(60_000) + "é".repeat(20_000);
    const sub = command(t, "sub-lwt", ["-b", url, "-C", "1"]);
    await sub.event("subscribed", { topicFilter: "sensors/lastwill" });
    assert.equal(await command(t, "pub-lwt", ["-b", url, `-m=${payload}`, "--no-status"]).exit(), 0);
    assert.equal(await sub.exit(), 0);
    assert.equal((await sub.event("message")).payload, payload);
  });

  on("two clients with one ID: the first one stops and says why", async (t, { url }) => {
    const first = command(t, "sub-lwt", ["-b", url, "-i", "Twin"]);
    await first.event("subscribed");
    const second = command(t, "sub-lwt", ["-b", url, "-i", "Twin"]);
    const ended = await Promise.race([first, second].map(async sub => ({ sub, code: await sub.exit() })));
    assert.equal(ended.code, 1);
    await ended.sub.event("error", { code: "client-id-in-use" });
    assert.match(ended.sub.stderr, /Probably another client/);
  });
}
