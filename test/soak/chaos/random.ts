/** Numbers that come again with the same seed: mulberry32. */
export class Random {
  #state: number;

  /** @param who has a row of its own, so that what others do when does not change it */
  constructor(seed: number, who: string) {
    this.#state = Buffer.from(who).reduce((state, byte) => Math.imul(state ^ byte, 16_777_619), seed);
  }

  /** From 0 to below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number, both included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }
}
