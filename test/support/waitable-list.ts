/** Only failures wait so long. */
const TIMEOUT_MS = 30_000;

interface Wait {
  check(): void;
  fail(reason: string): void;
}

/** A list that grows, and whose items can be waited for. */
export class WaitableList<Item> {
  readonly items: Item[] = [];
  readonly #waits = new Set<Wait>();
  #endReason: string | null = null;

  push(item: Item): void {
    this.items.push(item);
    for (const wait of this.#waits) wait.check();
  }

  /** Fails each wait, now and later, that no item so far satisfies. */
  end(reason: string): void {
    this.#endReason = reason;
    for (const wait of this.#waits) wait.fail(reason);
  }

  /** Resolves with the first result of `find` that is not undefined. A failure lists the items. */
  waitFor<Found>(description: string, find: (items: Item[]) => Found | undefined): Promise<Found> {
    return new Promise((resolve, reject) => {
      const found = find(this.items);
      if (found !== undefined) return resolve(found);
      const finish = () => {
        clearTimeout(timer);
        this.#waits.delete(wait);
      };
      const wait: Wait = {
        check: () => {
          const found = find(this.items);
          if (found === undefined) return;
          finish();
          resolve(found);
        },
        fail: reason => {
          finish();
          const items = this.items.map(item => JSON.stringify(item)).join("\n");
          reject(new Error(`${description}: ${reason}; received:\n${items}`));
        },
      };
      const timer = setTimeout(() => wait.fail(`not within ${TIMEOUT_MS} ms`), TIMEOUT_MS);
      this.#waits.add(wait);
      if (this.#endReason !== null) wait.fail(this.#endReason);
    });
  }
}
