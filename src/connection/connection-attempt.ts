import type { Duplex } from "node:stream";
import { PacketFramer, type OversizedPublish } from "./packet-framer.js";
import type { FailureInfo, ReasonInfo } from "./failure-diagnosis.js";
import type { Transport } from "./transport.js";

/** One attempt to connect, and its network connection. */
export class ConnectionAttempt implements FailureInfo {
  error: Error | null = null;
  firstBytes: Buffer | null = null;
  /** The return code of CONNACK, in MQTT 5 its reason code; null before CONNACK. */
  returnCode: number | null = null;
  said: ReasonInfo | null = null;
  disconnectSent = false;
  /** DISCONNECT requested the will. */
  willAsked = false;
  /** This side closed the socket, without DISCONNECT. */
  closedHere = false;

  /** @param maxPacket bytes of the largest packet @param tooLarge called for each larger message */
  constructor(
    readonly transport: Transport,
    readonly isMqtt5: boolean,
    maxPacket: number,
    tooLarge: (publish: OversizedPublish) => void,
  ) {
    const { socket, stream } = transport;
    const failed = (error: Error) => (this.error ??= error);
    socket.on("error", failed);
    stream.on("error", failed);
    this.#watch(stream, maxPacket, tooLarge);
  }

  /** Reads the bytes before the stream buffers them for mqtt.js. */
  #watch(stream: Duplex, maxPacket: number, tooLarge: (publish: OversizedPublish) => void): void {
    const push = stream.push.bind(stream);
    let hasRoom = true;
    const pass = (packets: Buffer) => (hasRoom = push(packets));
    const incoming = new PacketFramer({ limit: maxPacket, isMqtt5: this.isMqtt5 }, pass, tooLarge);
    stream.push = (bytes: Buffer | null) => {
      if (bytes === null) return push(null);
      if (this.error || stream.destroyed) return false;
      this.firstBytes ??= bytes;
      hasRoom = true;
      try {
        incoming.take(bytes);
      } catch (error) {
        this.error = error as Error;
        stream.destroy(this.error);
      }
      return hasRoom;
    };
  }

  get accepted(): boolean {
    return this.returnCode === 0;
  }

  destroy(): void {
    this.closedHere = true;
    this.transport.socket.destroy();
  }
}
