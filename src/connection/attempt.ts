import type { Failure, Said } from "./reasons.js";
import type { Transport } from "./transport.js";

/** One attempt to connect, and the network connection that came of it. */
export class Attempt implements Failure {
  error: Error | null = null;
  firstBytes: Buffer | null = null;
  /** CONNACK's answer, in MQTT 5 its reason code; null: none has come. */
  returnCode: number | null = null;
  said: Said | null = null;
  disconnectSent = false;
  /** That DISCONNECT asked for the will. */
  willAsked = false;
  /** This side closed the socket, without DISCONNECT. */
  closedHere = false;

  constructor(
    readonly transport: Transport,
    readonly isMqtt5: boolean,
  ) {
    const { socket, stream } = transport;
    const failed = (error: Error) => (this.error ??= error);
    socket.on("error", failed);
    stream.on("error", failed);
    stream.once("data", (bytes: Buffer) => (this.firstBytes = bytes));
  }

  get accepted(): boolean {
    return this.returnCode === 0;
  }

  destroy(): void {
    this.closedHere = true;
    this.transport.socket.destroy();
  }
}
