// A dashboard: a line whenever a machine's state changes. In a clone, beside a broker (npx lwt-broker):
//
//   node --import tsx examples/machine-states.ts [mqtt://host:port]
//
// and in other terminals: npx pub-lwt --machine Machine2, npx pub-lwt --fail network --after 3. Ctrl-C ends it.
import { type ClientEvent, type Connection, connect } from "mqtt-lwt-lab";

const broker = process.argv[2] ?? "mqtt://127.0.0.1:1883";
const states = new Map<string, string>();
let dashboard: Connection | null = null;

const watch = async () => dashboard?.subscribe(["Binil/+/Status"], 1);

// A machine's name comes from whoever publishes: what could move the cursor or hide is shown as its code.
const safe = (text: string) =>
  text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, character => `\\u{${character.codePointAt(0)?.toString(16)}}`);

function show(event: ClientEvent): void {
  if (event.event === "disconnected" && !event.graceful)
    console.log(`connection lost: ${safe(event.reason)}`);
  // Also after a loss: a broker that was started again has no subscriptions.
  if (event.event === "connected") watch().catch(() => {}); // lost once more: the next connection asks again
  if (event.event !== "status" || event.machine === null) return;
  const { machine, state, delivery } = event;
  if (states.get(machine) === state) return;
  states.set(machine, state);
  console.log(`${safe(machine).padEnd(16)} ${state}${delivery === "retained" ? ", since earlier" : ""}`);
}

dashboard = await connect({ broker, clientId: "Dashboard1", cleanSession: true }, show);
const stop = () => void dashboard?.end();
process.once("SIGINT", stop).once("SIGTERM", stop);
process.stdout.on("error", stop); // whoever read this through a pipe has gone

await watch();
console.log("watching Binil/+/Status; Ctrl-C ends it");
const failure = await dashboard.closed;
if (failure) console.error(`${failure.message}\n  ${failure.hint}`);
process.exitCode = failure ? 1 : 0;
