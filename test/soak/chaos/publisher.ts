import { field, type Packet, packet, PacketType, uint16 } from "../../support/packets.js";
import { Client, type Scene } from "./client.js";
import type { Stream } from "./ledger.js";

/** Sent and not settled. */
const WINDOW = 20;
/** Milliseconds between bursts, and messages in one. */
const TICK = 5;
const BURST = 5;

interface InFlight {
  stream: Stream;
  seq: number;
  publish: Buffer;
  isReceived: boolean;
}

/**
 * Sends on three topics, and keeps what is in flight across its connections: what was sent and not acknowledged is sent
 * again under its packet identifier, so that exactly once can be asked for.
 */
export class Publisher extends Client {
  /** Bytes of each payload, about. */
  payloadBytes = 100;
  acknowledged = 0;
  readonly #streams: { run: string; stream: Stream; seq: number }[];
  readonly #inFlight = new Map<number, InFlight>();
  readonly #ticking: NodeJS.Timeout;
  #packetId = 0;

  constructor(scene: Scene, clientId: string) {
    super(scene, clientId, true, true);
    this.#streams = KINDS.map(({ name, qos, retain }) => {
      const run = `${clientId}-${name}`;
      return { run, stream: scene.ledger.stream(run, `chaos/${clientId}/${name}`, qos, retain), seq: 0 };
    });
    this.#ticking = setInterval(() => this.#burst(), TICK);
  }

  /** Everything that it sent is settled. */
  get isDrained(): boolean {
    return this.isConnected && this.#inFlight.size === 0;
  }

  override end(): Promise<void> {
    clearInterval(this.#ticking);
    return super.end();
  }

  /** In the order in which they were sent [MQTT-4.6.0-1, 4.6.0-4]. */
  protected override connected(): void {
    for (const [packetId, { publish, isReceived }] of this.#inFlight)
      if (isReceived) this.answer(PacketType.pubrel, packetId);
      else this.send(again(publish));
  }

  protected override take({ type, body }: Packet): void {
    const packetId = body.readUInt16BE(0);
    const message = this.#inFlight.get(packetId);
    if (!message) return;
    if (type === PacketType.puback || type === PacketType.pubrec) {
      this.acknowledged += 1;
      message.stream.acknowledged.add(message.seq);
    }
    if (type === PacketType.pubrec) {
      message.isReceived = true;
      this.answer(PacketType.pubrel, packetId);
    } else this.#inFlight.delete(packetId);
  }

  #burst(): void {
    if (!this.isConnected || this.isCalm) return;
    for (let left = this.random.between(0, BURST); left > 0 && this.#inFlight.size < WINDOW; left--)
      this.#publish();
  }

  #publish(): void {
    const to = this.#streams[this.random.between(0, this.#streams.length - 1)];
    if (!to) return;
    do this.#packetId = (this.#packetId % 0xffff) + 1;
    while (this.#inFlight.has(this.#packetId));
    to.seq += 1;
    const { run, stream, seq } = to;
    const payload = JSON.stringify({
      run,
      seq,
      pad: "x".repeat(this.random.between(0, 2 * this.payloadBytes)),
    });
    const first = 0x30 | (stream.qos << 1) | (stream.retain ? 1 : 0);
    const publish = packet(first, field(stream.topic), uint16(this.#packetId), Buffer.from(payload));
    this.#inFlight.set(this.#packetId, { stream, seq, publish, isReceived: false });
    this.send(publish);
  }
}

const KINDS = [
  { name: "once-or-more", qos: 1, retain: false },
  { name: "once", qos: 2, retain: false },
  { name: "state", qos: 1, retain: true },
] as const;

const DUP = 8;

function again(publish: Buffer): Buffer {
  publish[0] = (publish[0] ?? 0) | DUP;
  return publish;
}
