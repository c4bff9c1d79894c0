interface Job {
  start(): void;
}

/** Limits the jobs that run at once. Addresses take turns: an address with many jobs delays only its own. */
export class FairQueue {
  readonly #waiting = new Map<string, Job[]>();
  #length = 0;
  #running = 0;

  constructor(
    private readonly maxRunning: number,
    private readonly maxWaiting: number,
    private readonly maxWaitingOfAddress: number,
  ) {}

  /** Returns null if too many jobs wait. */
  enqueue<Done>(address: string, work: () => Promise<Done>): Promise<Done> | null {
    const queue = this.#waiting.get(address) ?? [];
    if (this.#length >= this.maxWaiting || queue.length >= this.maxWaitingOfAddress) return null;
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
    if (!first || this.#running >= this.maxRunning) return;
    const [address, queue] = first;
    const next = queue.shift();
    // Moves the address behind the others.
    this.#waiting.delete(address);
    if (queue.length > 0) this.#waiting.set(address, queue);
    this.#length -= 1;
    this.#running += 1;
    next?.start();
  }
}
