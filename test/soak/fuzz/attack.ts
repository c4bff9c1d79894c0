import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { setImmediate, setTimeout } from "node:timers/promises";
import { Random } from "../chaos/random.js";
import { DISCONNECT } from "../../support/packets.js";
import { mutated } from "./mutations.js";
import { bytes, conversation, encode, pick } from "./packets.js";

/** Milliseconds for a connection to be closed after it has ended. */
const TIMEOUT_MS = 60_000;
/** Milliseconds that one lingers, at the most. */
const LINGER = 20;
/** Past so many bytes it is not sliced at every one. */
const MAX_SLICES = 400;

/** The bytes sent, and the ends of the connections that sent them. */
export class Tally {
  connections = 0;
  intact = 0;
  mutated = 0;
  bytes = 0;
  readonly ends: Record<string, number> = {};

  ended(how: string): void {
    this.ends[how] = (this.ends[how] ?? 0) + 1;
  }
}

const ENDS = [
  "DISCONNECT",
  "DISCONNECT",
  "FIN",
  "FIN",
  "FIN",
  "reset",
  "dropped at once",
  "lingering",
] as const;
type End = (typeof ENDS)[number];

interface Plan {
  packets: Buffer[];
  isIntact: boolean;
  slices: "none" | "one" | "all";
  end: End;
  /** Nothing of what the broker sends is read. */
  isDeaf: boolean;
}

/** The same for the same seed and name, whatever else goes on. */
function planOf(seed: number, name: string): Plan {
  const random = new Random(seed, name);
  const kind = random.next();
  const isIntact = kind < 0.3;
  const isNoise = kind > 0.92;
  const drafts = conversation(random);
  const packets = isIntact
    ? drafts.map(encode)
    : isNoise
      ? [bytes(random, random.between(0, 200))]
      : mutated(drafts, random);
  const slices = pick(random, ["none", "none", "one", "all"] as const);
  return { packets, isIntact, slices, end: pick(random, ENDS), isDeaf: random.chance(0.1) };
}

/**
 * One connection of a stranger, from its first byte to its last.
 * @throws Error where the broker does not close it in the end
 */
export async function attack(port: number, seed: number, name: string, tally: Tally): Promise<void> {
  const { packets, isIntact, slices, end, isDeaf } = planOf(seed, name);
  const socket = open(port);
  let isOurEnd = false;
  const closed = new Promise<void>(resolve => {
    socket.once("close", () => {
      tally.ended(isOurEnd ? end : "closed by the broker");
      resolve();
    });
  });
  tally.connections += 1;
  tally[isIntact ? "intact" : "mutated"] += packets.length;
  if (!isDeaf) socket.resume();
  const all = Buffer.concat(end === "DISCONNECT" ? [...packets, DISCONNECT] : packets);
  tally.bytes += await send(socket, all, slices, new Random(seed, `slices of ${name}`));
  if (end === "lingering" || end === "reset")
    await Promise.race([closed, setTimeout(new Random(seed, name).between(1, LINGER))]);
  isOurEnd = !socket.readableEnded && !socket.destroyed;
  if (end === "reset") socket.resetAndDestroy();
  else if (end === "dropped at once") socket.destroy();
  else socket.resume().end();
  await before(closed, name, socket);
}

/** Opened all together, and dropped all together, whatever has become of them; each has said a little or nothing. */
export async function burst(
  port: number,
  count: number,
  seed: number,
  name: string,
  tally: Tally,
): Promise<void> {
  const sockets = Array.from({ length: count }, (_, number) => {
    const random = new Random(seed, `${name} ${number}`);
    const socket = open(port).resume();
    const said = random.chance(0.5)
      ? encode(conversation(random)[0] as never)
      : bytes(random, random.between(0, 3));
    socket.write(said);
    tally.bytes += said.length;
    return socket;
  });
  tally.connections += count;
  await Promise.all(sockets.map(socket => connectedOrClosed(socket)));
  const closed = sockets.filter(socket => !socket.closed).map(socket => once(socket, "close"));
  for (const socket of sockets) {
    tally.ended(socket.destroyed ? "closed by the broker" : "dropped with the others");
    socket.destroy();
  }
  await Promise.all(closed);
}

function open(port: number): Socket {
  const socket = createConnection({ port, host: "127.0.0.1", noDelay: true });
  return socket.on("error", () => {}); // the broker may reset what it does not want
}

const connectedOrClosed = (socket: Socket) =>
  new Promise<void>(resolve => {
    if (!socket.connecting) return resolve();
    socket.once("connect", resolve);
    socket.once("close", () => resolve());
  });

/** @returns how many bytes went out */
async function send(socket: Socket, all: Buffer, slices: Plan["slices"], random: Random): Promise<number> {
  await connectedOrClosed(socket);
  const cuts =
    slices === "all" && all.length <= MAX_SLICES
      ? Array.from({ length: all.length }, (_, at) => at)
      : slices === "none"
        ? []
        : [random.between(0, all.length)];
  let from = 0;
  for (const to of [...cuts, all.length]) {
    if (!socket.writable) break;
    if (to > from) socket.write(all.subarray(from, to));
    from = to;
    await setImmediate();
  }
  return from;
}

async function before(closed: Promise<void>, name: string, socket: Socket): Promise<void> {
  const late = new AbortController();
  const missing = setTimeout(TIMEOUT_MS, "late", { signal: late.signal }).catch(() => "");
  const came = await Promise.race([closed, missing]);
  late.abort();
  if (came !== "late") return;
  socket.destroy();
  throw new Error(`the broker left ${name} open for ${TIMEOUT_MS} ms after its end`);
}
