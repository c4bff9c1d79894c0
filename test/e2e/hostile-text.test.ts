import assert from "node:assert/strict";
import { test } from "node:test";
import { command, lwtBroker, type Running } from "../support/processes.js";
import { RawClient } from "../support/raw-client.js";
import { UNSAFE } from "../support/hostile-events.js";

/** Valid in MQTT: no U+0000 in topics, and no lone surrogates. */
const HOSTILE = [
  "\u001b[2J\u001b[31m",
  "\u009b31m\r\n\t\u0007",
  "\u202eevil\u2066\u200b",
  "\u{e0041}\u2028漢字😀",
];

const lines = (text: string) => text.split("\n");
const outputs = ({ stdout, stderr }: Running) => stdout + stderr;

test("hostile client IDs, topics and payloads reach no terminal, no JSON line and no --debug line raw", async t => {
  const { port, process: broker } = await lwtBroker(t);
  const ways = [
    [],
    ["--debug"],
    ["--json"],
    ["--json", "--debug"],
    ["--debug", "--client-id", "\u001b[2J\u202e"],
  ];
  const subscribers = ways.map((args, i) =>
    command(t, "sub-lwt", ["-p", String(port), "-i", `S${i}`, "-t", "#", ...args], { json: false }),
  );
  for (const subscriber of subscribers) await subscriber.outputHas(/session|"subscribed"/);
  await broker.waitFor("all subscribed", () => broker.all("subscribed").length >= ways.length || undefined);
  for (const [i, text] of HOSTILE.entries()) {
    const client = await RawClient.connect(t, port, {
      clientId: `${text}${i}`,
      clean: false,
      will: { topic: `will/${text}`, payload: text, qos: 1, retain: true },
    });
    await client.subscribe(`${text}/+`, 1);
    await client.publish(`${text}/${i}`, `${text} payload ${i}`, 1);
    client.socket.destroy();
  }
  await RawClient.connect(t, port, { clientId: "last" }).then(last =>
    last.publish("last", "the last one", 1),
  );
  for (const subscriber of subscribers) await subscriber.outputHas(/the last one|"last"/);
  for (const process of [broker, ...subscribers])
    for (const line of lines(outputs(process))) assert.doesNotMatch(line, UNSAFE);
});
