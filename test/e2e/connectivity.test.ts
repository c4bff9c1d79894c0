import assert from "node:assert/strict";
import { test } from "node:test";
import { command, lwtBroker, rerouted } from "../support/processes.js";
import { certificate, tlsRelay, webSocketRelay } from "../support/servers.js";

test("--connectivity tries every way at once, sends no password, and shows the options to use", async t => {
  const { port, process: broker } = await lwtBroker(t, "--debug");
  const env = {
    LWT_CAFILE: certificate("ca"),
    LWT_USERNAME: "Ada",
    LWT_PASSWORD: "s3cret",
    ...rerouted({
      "localhost:1883": "ETIMEDOUT",
      "localhost:8883": await tlsRelay(t, port),
      "localhost:8884": await webSocketRelay(t, port, { tls: true }),
    }),
  };
  const [json, text] = [true, false].map(json =>
    command(t, "lwt-demo", ["check", "--connectivity", "-b", "localhost"], { env, json }),
  );
  assert.ok(json && text);
  assert.equal(await json.exit(), 0, json.stderr);
  const ways = Object.fromEntries(json.all("reachable").map(way => [way.broker, way]));
  const reached = Object.values(ways).filter(way => way.reachable);
  assert.deepEqual(
    new Set(reached.map(way => way.broker)),
    new Set(["mqtts://localhost:8883", "wss://localhost:8884/mqtt"]),
  );
  assert.equal(Object.keys(ways).length, 3);
  assert.match(ways["mqtt://localhost:1883"]?.reason ?? "", /cannot reach|no answer/);
  assert.ok((ways["mqtts://localhost:8883"]?.milliseconds ?? -1) >= 0);
  const { reachable, unreachable, options } = await json.event("connectivity");
  assert.deepEqual([reachable, unreachable, options], [2, 1, "--broker mqtts://localhost:8883"]);
  assert.equal(await text.exit(), 0);
  assert.match(text.stdout, /^reachable +\d+ ms +mqtts:\/\/localhost:8883$/m);
  assert.match(text.stdout, /^fails +mqtt:\/\/localhost:1883\n {4}\S/m);
  assert.match(
    text.stdout,
    /\nUse: npx sub-lwt --broker mqtts:\/\/localhost:8883, and the same with pub-lwt\.\n$/,
  );
  assert.deepEqual(broker.all("session-stored"), []);
  // With --debug the broker shows each CONNECT with its user name.
  await broker.outputHas(/CONNECT clientId "Probex/);
  assert.doesNotMatch(broker.stdout + broker.stderr + json.stdout + text.stdout, /s3cret|Ada/);
});

test("--connectivity tries the public broker by default, and fails if no way is open", async t => {
  const { port } = await lwtBroker(t);
  const host = "broker.hivemq.com";
  const none = {
    [`${host}:1883`]: "ECONNREFUSED",
    [`${host}:8883`]: "ENOTFOUND",
    [`${host}:8884`]: "ETIMEDOUT",
  };
  const some = { ...none, [`${host}:8884`]: await webSocketRelay(t, port, { tls: true }) };
  const [open, shut] = [some, none].map(routes =>
    command(t, "lwt-demo", ["check", "--connectivity"], {
      env: { LWT_INSECURE: "true", ...rerouted(routes) },
    }),
  );
  assert.ok(open && shut);
  assert.equal(await open.exit(), 0, open.stderr);
  assert.equal((await open.event("connectivity")).options, "--broker hivemq");
  assert.equal(await shut.exit(), 1);
  assert.deepEqual((await shut.event("connectivity")).options, null);
});
