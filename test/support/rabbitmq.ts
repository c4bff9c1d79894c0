import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Owner, freePort, peer, required, type TestBroker } from "./processes.js";

/** Debian's own; the one in /usr/sbin changes to another user, and to the system's folders. */
const SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server";

export const noRabbitmq = existsSync(SERVER) ? false : required("rabbitmq-server");

/**
 * RabbitMQ with its MQTT plugin on free ports of this machine, and all that it keeps in a folder that goes with the test;
 * it takes ten seconds, and its memory. Its port mapper is a process of ours, since one that it starts would stay.
 */
export async function rabbitmq(t: Owner): Promise<TestBroker & { version: string }> {
  const [port, amqp, nodes, mapper] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  const folder = mkdtempSync(path.join(tmpdir(), "lwt-rabbitmq-"));
  const inFolder = (name: string) => path.join(folder, name);
  writeFileSync(inFolder("plugins"), "[rabbitmq_mqtt].");
  const settings = [
    `listeners.tcp.default = 127.0.0.1:${amqp}`,
    `mqtt.listeners.tcp.default = 127.0.0.1:${port}`,
    "mqtt.allow_anonymous = true",
    "log.console.level = error",
  ];
  writeFileSync(inFolder("rabbitmq.conf"), settings.join("\n"));
  peer(t, "epmd", ["-port", String(mapper), "-address", "127.0.0.1"]);
  const process = peer(t, SERVER, [], {
    HOME: folder,
    ERL_EPMD_PORT: String(mapper),
    ERL_EPMD_ADDRESS: "127.0.0.1",
    RABBITMQ_NODENAME: `lwt-${port}@localhost`,
    RABBITMQ_NODE_PORT: String(amqp),
    RABBITMQ_DIST_PORT: String(nodes),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: `-setcookie lwt-${port} -kernel inet_dist_use_interface {127,0,0,1}`,
    RABBITMQ_CONFIG_FILE: inFolder("rabbitmq.conf"),
    RABBITMQ_CONF_ENV_FILE: inFolder("none"),
    RABBITMQ_ENABLED_PLUGINS_FILE: inFolder("plugins"),
    RABBITMQ_MNESIA_BASE: inFolder("data"),
    RABBITMQ_LOG_BASE: inFolder("logs"),
    RABBITMQ_PID_FILE: inFolder("pid"),
    RABBITMQ_LOGS: "-",
    ERL_CRASH_DUMP: inFolder("erl_crash.dump"),
    // Else a shell stays in front of it, and the death of that would leave it running.
    RUNNING_UNDER_SYSTEMD: "true",
  });
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  await process.outputHas(/completed with \d+ plugins/);
  const version = /RabbitMQ (\d+(\.\d+)+)/.exec(process.stdout)?.[1] ?? "";
  return { url: `mqtt://127.0.0.1:${port}`, port, process, version };
}
