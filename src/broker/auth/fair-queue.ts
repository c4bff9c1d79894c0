interface Waiting {
  start(): void;
}

/**
 * Work that takes a processor, so much at once. Addresses take turns, so that one that has much to do waits for itself.
 */
export class FairQueue {
  readonly #waiting = new Map<string, Waiting[]>();
  #length = 0;
  #running = 0;

  constructor(
    private readonly atOnce: number,
    /** What may wait, of all and of one address. */
    private readonly most: number,
    private readonly mostOfOne: number,
  ) {}

  /** Null where too much waits already. */
  enqueue<Done>(address: string, work: () => Promise<Done>): Promise<Done> | null {
    const queue = this.#waiting.get(address) ?? [];
    if (this.#length >= this.most || queue.length >= this.mostOfOne) return null;
    return new Promise((resolve, reject) => {
      const start = () => {
        void work()
          .then(resolve, reject)
          .finally(() => {
            this.#running -= 1;
            this.#next();
          });
      };
      queue.push({ start });
      this.#waiting.set(address, queue);
      this.#length += 1;
      this.#next();
    });
  }

  #next(): void {
    const [first] = this.#waiting;
    if (!first || this.#running >= this.atOnce) return;
    const [address, queue] = first;
    const next = queue.shift();
    // Behind the others.
    this.#waiting.delete(address);
    if (queue.length > 0) this.#waiting.set(address, queue);
    this.#length -= 1;
    this.#running += 1;
    next?.start();
  }
}
