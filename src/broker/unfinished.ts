import type { AedesClient } from "./aedes-parts.js";
import { LimitError } from "./limits.js";

interface Unfinished {
  packet: object | null;
  bytes: number;
}

/** Bounds what is kept of packets that are not complete, over all connections: they may never be. */
export class UnfinishedPackets {
  readonly #most: number;
  #bytes = 0;
  /** The one whose packet was begun first comes first. */
  readonly #byClient = new Map<AedesClient, Unfinished>();

  constructor(most: number) {
    this.#most = most;
  }

  /** @param bytes that are kept of that packet now */
  tell(client: AedesClient, packet: object | null, bytes: number): void {
    if (this.#byClient.get(client)?.packet !== packet || bytes === 0) this.forget(client);
    if (bytes === 0) return;
    this.#bytes += bytes - (this.#byClient.get(client)?.bytes ?? 0);
    this.#byClient.set(client, { packet, bytes });
    if (this.#bytes > this.#most) this.#endFirst();
  }

  forget(client: AedesClient): void {
    this.#bytes -= this.#byClient.get(client)?.bytes ?? 0;
    this.#byClient.delete(client);
  }

  /** Who goes on sending is through soon, so it is nobody who means well. */
  #endFirst(): void {
    const [first] = this.#byClient.keys();
    if (!first) return;
    this.forget(first);
    first.emit("error", new LimitError({ name: "unfinished-bytes", most: this.#most }));
  }
}
