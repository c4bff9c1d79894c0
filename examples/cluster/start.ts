// Three RabbitMQ nodes on this machine, joined to one cluster, each with MQTT: node --import tsx examples/cluster/start.ts
// Queues of stored sessions are quorum queues, so that each message is on two nodes at least. The nodes' data is in a
// temporary folder. Enter starts the nodes again that have ended; Ctrl-C, or the end of stdin, ends all.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { connect } from "mqtt-lwt-lab";

/** Debian's programs; those in /usr/sbin change to another user, and use the system's folders. */
const BIN = process.env["RABBITMQ_BIN"] ?? "/usr/lib/rabbitmq/bin";
const SIZE = 3;
/** Joining takes about one minute, longer on a busy machine. */
const JOIN_TIMEOUT_S = 300;
const POLL_MS = 200;
/** After it, a node is killed. */
const STOP_TIMEOUT_MS = 20_000;

interface ClusterNode {
  name: string;
  url: string;
  environment: NodeJS.ProcessEnv;
  process: ChildProcess | null;
}

if (!existsSync(path.join(BIN, "rabbitmq-server"))) {
  console.error(`There is no rabbitmq-server in ${BIN}.`);
  console.error(
    "On Debian or Ubuntu: apt-get install rabbitmq-server. Elsewhere, say where: RABBITMQ_BIN=FOLDER.",
  );
  process.exit(1); // oxlint-disable-line no-process-exit -- there is nothing to end
}

const folder = mkdtempSync(path.join(tmpdir(), "lwt-cluster-"));
const cookie = `lwt${process.pid}`;
const ports = await freePorts(1 + 3 * SIZE);
const mapperPort = ports.pop();
const names = Array.from({ length: SIZE }, (_, i) => `lwt${i + 1}-${process.pid}@localhost`);
const nodes = names.map(prepare);
/** A port mapper that a node starts would outlive it. */
const mapper = spawn("epmd", ["-port", String(mapperPort), "-address", "127.0.0.1"], {
  stdio: "ignore",
  detached: true, // Ctrl-C reaches this script only
});
let isEnding = false;
/** The end of the nodes' output, shown if they do not join. */
let output = "";
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void end(0));
process.on("disconnect", () => void end(0));
mapper.on(
  "error",
  () => void end(1, "The Erlang port mapper, epmd, can't be started: it comes with Erlang."),
);

console.log(`Starting ${SIZE} nodes in ${folder}: this takes about a minute.`);
const deadline = Date.now() + JOIN_TIMEOUT_S * 1000;
// One at a time: two at once may each begin a register of client identifiers, and one of them then refuses clients
// (return code 3).
for (const [i, node] of nodes.entries()) {
  if (!isEnding) start(node);
  await until(() => acceptsClients(node));
  if (!isEnding) console.log(`${i + 1} of ${SIZE} takes clients.`);
}
await until(haveJoined);
if (!isEnding) announce();

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!isEnding && !(await isTrue())) {
    if (Date.now() > deadline)
      await end(1, `The nodes have not joined within ${JOIN_TIMEOUT_S} s.\n${output}`);
    await delay(POLL_MS);
  }
}

function announce(): void {
  for (const { name, url, process: child } of nodes) console.log(`${name}  ${url}  process ${child?.pid}`);
  console.log(`All have joined. Use them with: --broker ${nodes.map(({ url }) => url).join(",")}`);
  console.log("Kill one by its process; Enter starts it again; Ctrl-C ends all.");
  process.stdin.on("data", () => {
    for (const node of nodes.filter(each => each.process === null)) {
      start(node);
      console.log(`${node.name} starts again, as process ${node.process?.pid}.`);
    }
  });
  process.stdin.on("end", () => void end(0));
}

/** Writes a node's folder and settings. Each names all nodes; the others join the first one that runs. */
function prepare(name: string, i: number): ClusterNode {
  const [mqtt, amqp, distribution] = ports.slice(3 * i, 3 * i + 3);
  const own = path.join(folder, `node${i + 1}`);
  mkdirSync(own);
  const inFolder = (file: string) => path.join(own, file);
  writeFileSync(inFolder("plugins"), "[rabbitmq_mqtt].");
  const settings = [
    `listeners.tcp.default = 127.0.0.1:${amqp}`,
    `mqtt.listeners.tcp.default = 127.0.0.1:${mqtt}`,
    "mqtt.allow_anonymous = true",
    "mqtt.durable_queue_type = quorum",
    "cluster_formation.peer_discovery_backend = classic_config",
    ...names.map((other, n) => `cluster_formation.classic_config.nodes.${n + 1} = ${other}`),
    "log.console.level = error",
  ];
  writeFileSync(inFolder("rabbitmq.conf"), settings.join("\n"));
  const environment = {
    ...process.env,
    HOME: own,
    ERL_EPMD_PORT: String(mapperPort),
    ERL_EPMD_ADDRESS: "127.0.0.1",
    RABBITMQ_NODENAME: name,
    RABBITMQ_NODE_PORT: String(amqp),
    RABBITMQ_DIST_PORT: String(distribution),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: `-setcookie ${cookie} -kernel inet_dist_use_interface {127,0,0,1}`,
    RABBITMQ_CONFIG_FILE: inFolder("rabbitmq.conf"),
    RABBITMQ_CONF_ENV_FILE: inFolder("none"),
    RABBITMQ_ENABLED_PLUGINS_FILE: inFolder("plugins"),
    RABBITMQ_MNESIA_BASE: inFolder("data"),
    RABBITMQ_LOG_BASE: inFolder("logs"),
    RABBITMQ_PID_FILE: inFolder("pid"),
    RABBITMQ_LOGS: "-",
    ERL_CRASH_DUMP: inFolder("erl_crash.dump"),
    RUNNING_UNDER_SYSTEMD: "true", // otherwise a shell stays in front of it, and takes the signals
  };
  return { name, url: `mqtt://127.0.0.1:${mqtt}`, environment, process: null };
}

function start(node: ClusterNode): void {
  const child = spawn(path.join(BIN, "rabbitmq-server"), [], {
    env: node.environment,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  node.process = child;
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (bytes: Buffer) => (output = (output + bytes.toString()).slice(-2000)));
  child.on("exit", (code, signal) => {
    node.process = null;
    if (!isEnding) console.log(`${node.name} has ended (${signal ?? `exit code ${code}`}).`);
  });
}

async function acceptsClients({ url }: ClusterNode): Promise<boolean> {
  try {
    const client = await connect({ broker: url, clientId: "Ready", cleanSession: true, connectTimeout: 5 });
    await client.end();
    return true;
  } catch {
    return false;
  }
}

/** The first node sees all nodes, each with its port for MQTT. The answer takes seconds. */
async function haveJoined(): Promise<boolean> {
  const [first] = nodes;
  const args = ["--erlang-cookie", cookie, "-n", first?.name ?? "", "--formatter", "json", "cluster_status"];
  try {
    const { stdout } = await promisify(execFile)(path.join(BIN, "rabbitmqctl"), args, {
      env: first?.environment ?? {},
    });
    const { listeners } = JSON.parse(stdout) as { listeners: Record<string, { protocol: string }[]> };
    return names.every(name => listeners[name]?.some(({ protocol }) => protocol === "mqtt"));
  } catch {
    return false; // it is not up yet
  }
}

async function end(code: number, why?: string): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  if (why) console.error(why);
  await Promise.all(nodes.map(node => stop(node.process)));
  mapper.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  process.exit(code); // oxlint-disable-line no-process-exit -- stdin keeps the process alive
}

async function stop(child: ChildProcess | null): Promise<void> {
  if (!child || child.exitCode !== null) return;
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  child.kill("SIGTERM");
  await once(child, "exit");
  clearTimeout(timer);
}

/** Listens on all at once, so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map(server => once(server, "listening")));
  const free = servers.map(server => (server.address() as AddressInfo).port);
  await Promise.all(servers.map(server => once(server.close(), "close")));
  return free;
}
