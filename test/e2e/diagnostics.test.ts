import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import type { Event, Timed } from "../../src/events/events.js";
import { command, ends, freePort, lwtBroker, rerouted, temporaryFolder } from "../support/processes.js";
import {
  answering,
  certificate,
  clientsWanted,
  httpServer,
  tcpServer,
  tlsRelay,
  webSocketRelay,
} from "../support/servers.js";
import { root, supportFile } from "../support/paths.js";

/** One trouble: how it is provoked, and what a person and a script are told. */
interface Trouble {
  what: string;
  /** The arguments of the command that gets into it. */
  provoke: (t: TestContext, cwd: string) => Promise<string[]> | string[];
  command?: "pub-lwt" | "sub-lwt" | "lwt-broker";
  env?: Record<string, string>;
  exit: 1 | 2;
  code: string;
  says: RegExp;
  hint: RegExp;
}

const briefly = ["--connect-timeout", "0.3"];
const at = (port: number, scheme = "mqtt", rest = "") => ["-b", `${scheme}://127.0.0.1:${port}${rest}`];
const CONNACK = (returnCode: number) => [0x20, 0x02, 0x00, returnCode];
const unreachable = (code: string, trouble: Pick<Trouble, "code" | "says" | "hint">): Trouble => ({
  what: `the system says ${code}`,
  provoke: () => ["-b", "broker.example", ...briefly],
  env: rerouted({ "broker.example:1883": code }),
  exit: 1,
  ...trouble,
});
const refusal = (returnCode: number, says: RegExp, hint: RegExp): Trouble => ({
  what: `CONNACK with return code ${returnCode}`,
  provoke: async t => at(await answering(t, CONNACK(returnCode))),
  exit: 1,
  code: "refused",
  says,
  hint,
});
/** A port that takes connections, and says nothing. */
const mute = (t: TestContext) => tcpServer(t, () => {});
const behindTls = async (t: TestContext, name?: string, more = {}) =>
  at(await tlsRelay(t, await mute(t), name, more), "mqtts");
const trusting = ["--cafile", certificate("ca")];

const troubles: Trouble[] = [
  {
    what: "nothing listens",
    provoke: async () => [...at(await freePort()), ...briefly],
    exit: 1,
    code: "no-broker",
    says: /no broker answers at mqtt:\/\/127\.0\.0\.1:\d+ \(connection refused\)/,
    hint: /npx lwt-broker/,
  },
  {
    what: "nothing listens for WebSocket",
    provoke: async () => [...at(await freePort(), "ws"), ...briefly],
    exit: 1,
    code: "no-broker",
    says: /no broker answers/,
    hint: /npx lwt-broker --ws-port \d+/,
  },
  unreachable("ECONNREFUSED", {
    code: "no-broker",
    says: /no broker answers at mqtt:\/\/broker\.example:1883/,
    hint: /that a\s+broker\s+runs\s+there[^]*--host\s+0\.0\.0\.0/,
  }),
  unreachable("ENOTFOUND", {
    code: "host-unknown",
    says: /broker\.example:1883 \(there is no such host name\)/,
    hint: /spelling/,
  }),
  unreachable("EAI_AGAIN", { code: "host-unknown", says: /could not be looked up/, hint: /online/ }),
  unreachable("ETIMEDOUT", { code: "no-answer", says: /\(no answer\)/, hint: /block the ports of MQTT/ }),
  unreachable("EHOSTUNREACH", { code: "no-route", says: /no route/, hint: /network that it belongs to/ }),
  unreachable("ENETUNREACH", { code: "no-route", says: /no network/, hint: /online/ }),
  unreachable("EACCES", { code: "not-permitted", says: /does not allow/, hint: /firewall/ }),
  {
    what: "something listens, and never answers",
    provoke: async t => [...at(await tcpServer(t, () => {})), ...briefly],
    exit: 1,
    code: "no-answer",
    says: /nothing answered in time/,
    hint: /--broker hivemq/,
  },
  {
    what: "a web server at MQTT's port",
    provoke: async t => [
      ...at(await tcpServer(t, socket => socket.end("HTTP/1.1 400 Bad\r\n\r\n"))),
      ...briefly,
    ],
    exit: 1,
    code: "not-mqtt",
    says: /a web server answered at/,
    hint: /ws:\/\/127\.0\.0\.1:\d+\/mqtt/,
  },
  {
    what: "another kind of server",
    provoke: async t => [...at(await answering(t, [...Buffer.from("220 mail\r\n")])), ...briefly],
    exit: 1,
    code: "not-mqtt",
    says: /answered, but not in MQTT/,
    hint: /Probably it is no MQTT broker/,
  },
  {
    what: "plain MQTT to a TLS port",
    provoke: async t => {
      const [flag = "", url = ""] = await behindTls(t);
      return [flag, url.replace("mqtts", "mqtt"), ...briefly];
    },
    exit: 1,
    code: "not-mqtt",
    says: /closed it without CONNACK/,
    hint: /If it is a TLS port: --broker mqtts:\/\/127\.0\.0\.1:\d+/,
  },
  {
    what: "TLS to a plain MQTT port",
    provoke: async t => [...at((await lwtBroker(t)).port, "mqtts"), ...briefly],
    exit: 1,
    code: "not-tls",
    says: /closed the connection during the TLS handshake/,
    hint: /--broker mqtt:\/\/127\.0\.0\.1:\d+/,
  },
  {
    what: "TLS to a server that answers in plain text",
    provoke: async t => at(await answering(t, [...Buffer.from("220 mail\r\n")]), "mqtts"),
    exit: 1,
    code: "not-tls",
    says: /answered, but not in TLS/,
    hint: /Try without TLS/,
  },
  {
    what: "a certificate whose signer is not known",
    provoke: t => behindTls(t),
    exit: 1,
    code: "not-trusted",
    says: /cannot trust the certificate of mqtts:\/\/127\.0\.0\.1:\d+: its signer is unknown/,
    hint: /certificate that signed its own: --cafile FILE/,
  },
  {
    what: "a certificate that signs itself",
    provoke: t => behindTls(t, "ca"),
    exit: 1,
    code: "not-trusted",
    says: /signed by itself/,
    hint: /--cafile/,
  },
  {
    what: "a certificate that has expired",
    provoke: async t => [...(await behindTls(t, "expired")), ...trusting],
    exit: 1,
    code: "certificate-expired",
    says: /it has expired/,
    hint: /clock/,
  },
  {
    what: "a certificate that is not yet valid",
    provoke: async t => [...(await behindTls(t, "not-yet")), ...trusting],
    exit: 1,
    code: "not-trusted",
    says: /cannot trust the certificate of .*: it is not yet valid/,
    hint: /clock.*ask the broker's owner for a certificate/,
  },
  {
    what: "a certificate for another host",
    provoke: async t => [...(await behindTls(t, "other-host")), ...trusting],
    exit: 1,
    code: "wrong-host",
    says: /is for another host: other\.example/,
    hint: /Use a host name of the certificate/,
  },
  {
    what: "a broker that wants a certificate of its clients",
    provoke: async t => [...(await behindTls(t, "server", clientsWanted)), ...trusting],
    exit: 1,
    code: "certificate-wanted",
    says: /requires a certificate of this client/,
    hint: /--cert FILE and --key FILE/,
  },
  {
    what: "a WebSocket where there is none",
    provoke: async t => [...at(await httpServer(t), "ws"), ...briefly],
    exit: 1,
    code: "not-websocket",
    says: /without WebSocket \(HTTP 404\)/,
    hint: /path/,
  },
  {
    what: "a WebSocket at another path",
    provoke: async t => [...at(await webSocketRelay(t, await mute(t)), "ws", "/other"), ...briefly],
    exit: 1,
    code: "not-websocket",
    says: /HTTP 400/,
    hint: /\/mqtt or \/ws/,
  },
  {
    what: "a WebSocket to an MQTT port",
    provoke: async t => [...at((await lwtBroker(t)).port, "ws"), ...briefly],
    exit: 1,
    code: "not-websocket",
    says: /during the WebSocket handshake/,
    hint: /--broker mqtt:/,
  },
  refusal(1, /does not speak this version/, /speaks MQTT 3\.1\.1/),
  refusal(2, /does not accept this client identifier/, /--client-id/),
  refusal(3, /service is not available/, /Try again/),
  refusal(4, /user name or password is wrong/, /LWT_PASSWORD/),
  refusal(5, /not allowed to connect/, /LWT_USERNAME/),
  refusal(99, /return code 99/, /no such code/),
  {
    what: "a filter that the broker refuses",
    provoke: async t => [...at(await answering(t, CONNACK(0), [0x90, 0x03, 0x00, 0x01, 0x80])), "-t", "a"],
    command: "sub-lwt",
    exit: 1,
    code: "filter-refused",
    says: /refused the subscription to a \(SUBACK 0x80\)/,
    hint: /--topic/,
  },
  {
    what: "thrown out again and again",
    provoke: async t =>
      at(await tcpServer(t, socket => socket.once("data", () => socket.end(Buffer.from(CONNACK(0)))))),
    exit: 1,
    code: "client-id-in-use",
    says: /Probably another client uses the ID/,
    hint: /--machine NAME/,
  },
  {
    what: "a broker that goes and does not come back",
    provoke: async t => {
      const port = await tcpServer(t, socket =>
        socket.once("data", () => socket.write(Buffer.from(CONNACK(0)), () => socket.resetAndDestroy())),
      );
      return [...at(port), "--reconnect-timeout", "0"];
    },
    exit: 1,
    code: "connection-lost",
    says: /cannot connect to .* again \(the connection was reset\)/,
    hint: /when the broker is back/,
  },
  {
    what: "a broker that answers no ping",
    provoke: async t =>
      at(await answering(t, CONNACK(0))).concat("-k 1 --reconnect-timeout 0 --no-status -q 0".split(" ")),
    exit: 1,
    code: "connection-lost",
    says: /did not answer a ping/,
    hint: /when the broker is back/,
  },
  {
    what: "a CA file that isn't there",
    provoke: async t => [...(await behindTls(t)), "--cafile", "nowhere.pem"],
    exit: 2,
    code: "bad-file",
    says: /cannot read nowhere\.pem for --cafile: there is no such file/,
    hint: /PEM/,
  },
  {
    what: "a CA file without certificates",
    provoke: (_t, cwd) => {
      writeFileSync(path.join(cwd, "empty.pem"), "nothing\n");
      return [...at(1, "mqtts"), "--cafile", "empty.pem"];
    },
    exit: 2,
    code: "bad-certificate",
    says: /no PEM certificate/,
    hint: /--cafile/,
  },
  {
    what: "a key that is not the certificate's",
    provoke: () => at(1, "mqtts").concat("--cert", certificate("client"), "--key", certificate("other-key")),
    exit: 2,
    code: "bad-certificate",
    says: /key values mismatch/,
    hint: /private key of --cert/,
  },
  {
    what: "a .env that can't be read",
    provoke: (_t, cwd) => {
      mkdirSync(path.join(cwd, ".env"));
      return [];
    },
    exit: 2,
    code: "bad-env-file",
    says: /cannot read \.env/,
    hint: /LWT_BROKER=local/,
  },
  {
    what: "a .env with a misspelt name",
    provoke: (_t, cwd) => {
      writeFileSync(path.join(cwd, ".env"), "OTHER=1\nPUB_LWT_INTERVALL=1\n");
      return [];
    },
    exit: 2,
    code: "bad-env-file",
    says: /line 2 of \.env: there is no setting PUB_LWT_INTERVALL.*Did you mean PUB_LWT_INTERVAL\?/,
    hint: /--show-settings/,
  },
  {
    what: "a .env with a line that is none",
    provoke: (_t, cwd) => {
      writeFileSync(path.join(cwd, ".env"), "# mine\n\nLWT_BROKER local\n");
      return [];
    },
    exit: 2,
    code: "bad-env-file",
    says: /line 3 of \.env is not read: LWT_BROKER has no =/,
    hint: /LWT_BROKER=VALUE/,
  },
  {
    what: "a .env with a filter that begins a comment",
    provoke: (_t, cwd) => {
      writeFileSync(path.join(cwd, ".env"), "SUB_LWT_TOPIC=Binil/#\n");
      return [];
    },
    command: "sub-lwt",
    exit: 2,
    code: "bad-env-file",
    says: /line 1 of \.env: in SUB_LWT_TOPIC, # begins a comment/,
    hint: /SUB_LWT_TOPIC='…'/,
  },
  {
    what: "a .env with a bad value",
    provoke: (_t, cwd) => {
      writeFileSync(path.join(cwd, ".env"), "PUB_LWT_QOS=3\n");
      return [];
    },
    exit: 2,
    code: "bad-value",
    says: /PUB_LWT_QOS in \.env needs 0, 1 or 2/,
    hint: /For example: PUB_LWT_QOS=1/,
  },
  {
    what: "a port that is taken",
    provoke: async t => ["--port", String((await lwtBroker(t)).port)],
    command: "lwt-broker",
    exit: 1,
    code: "port-taken",
    says: process.platform === "linux" ? /in use by lwt-broker \(process \d+\)/ : /already in use/,
    hint: /npx lwt-broker --port \d+/,
  },
  {
    what: "an address that isn't this computer's",
    provoke: () => ["--host", "192.0.2.1"],
    command: "lwt-broker",
    exit: 1,
    code: "address-unavailable",
    says: /no such address/,
    hint: /--host 127\.0\.0\.1/,
  },
  {
    what: "an old Node",
    provoke: () => [],
    env: { NODE_OPTIONS: `--require=${JSON.stringify(supportFile("old-node.cjs"))}` },
    exit: 1,
    code: "",
    says: /this is Node\.js 18\.20\.0, and it takes 20\.19, 22\.12, 23 or newer/,
    hint: /nodejs\.org/,
  },
];

/** With Node's own options in its environment a command needs a process of its own. */
const oneByOne = troubles.filter(({ env }) => !env);

test("each trouble: its exit code, a line on what, a line on what next", async t => {
  const runs = oneByOne.map(async ({ provoke, command: name = "pub-lwt" }) => {
    const cwd = temporaryFolder(t);
    return { name, args: [...(await provoke(t, cwd)), "--json"], cwd };
  });
  const ended = await ends(t, await Promise.all(runs));
  for (const [i, trouble] of oneByOne.entries())
    await t.test(trouble.what, () => tells(trouble, ended[i] ?? assert.fail()));
});

for (const trouble of troubles.filter(({ env }) => env))
  test(`${trouble.what}: exit ${trouble.exit}, a line on what, a line on what next`, async t => {
    const cwd = temporaryFolder(t);
    const { command: name = "pub-lwt", env = {} } = trouble;
    const run = command(t, name, await trouble.provoke(t, cwd), { cwd, env });
    const exit = await run.exit();
    tells(trouble, { exit, stderr: run.stderr, events: () => run.events });
  });

function tells(
  { command: name, exit, code, says, hint }: Trouble,
  ended: { exit: number | string; stderr: string; events: () => Timed<Event>[] },
): void {
  const { stderr } = ended;
  assert.equal(ended.exit, exit, stderr);
  assert.match(stderr, says);
  assert.match(stderr, hint);
  assert.doesNotMatch(stderr, /\n {4}at |unexpected/);
  if (!code) return;
  const events = ended.events();
  const error = events.findLast(({ event }) => event === "error");
  assert.ok(error?.event === "error");
  assert.equal(error.code, code);
  assert.match(error.message, says);
  assert.match(error.hint, hint);
  const hasTried = events.some(({ event }) => event === "connecting");
  assert.equal(hasTried, exit === 1 && name !== "lwt-broker");
}

test("an --env-file that isn't there: exit 2, where Node itself has not refused it before", async t => {
  // Without this, Node looks for that option among a script's arguments too, and ends with its own code 9.
  const run = command(t, "pub-lwt", ["--env-file", "nowhere.env"], { node: ["--"], json: false });
  assert.equal(await run.exit(), 2);
  assert.match(run.stderr, /cannot read nowhere\.env: there is no such file[^]*\.env\.example/);
});

test("the oldest Node that bin/start.cjs takes is package.json's", () => {
  const { engines } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
    engines: { node: string };
  };
  assert.equal(engines.node, "^20.19.0 || ^22.12.0 || >=23");
});
