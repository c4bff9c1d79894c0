import type { ReadStream } from "node:tty";

/** Ctrl-C, which sends no signal in raw mode. */
const END_OF_TEXT = "\u0003";

/** The characters of an arrow, Delete, or a letter with Alt (ECMA-48, CSI and SS3). */
const SEQUENCE = /\u001b(\[[\d;]*[A-Za-z~]|O[A-Z]|[^\u0003])?/g;

/** Reads single keys in raw mode, until its end. */
export class Keyboard {
  readonly #pressed: string[] = [];
  #waiting: ((key: string | null) => void) | null = null;
  #isEnded = false;

  constructor(
    private readonly stdin: ReadStream,
    interrupt: () => void,
  ) {
    stdin.setRawMode(true);
    stdin.on("error", () => {}); // the terminal was closed: `end` comes too
    stdin.on("data", (data: Buffer) => {
      for (const key of data.toString().replaceAll(SEQUENCE, "")) {
        if (key === END_OF_TEXT) interrupt();
        else this.#pressed.push(key);
      }
      this.#resolveNext();
    });
    stdin.on("end", () => this.end());
  }

  /** Discards the keys pressed before. */
  forget(): void {
    this.#pressed.length = 0;
  }

  /** Resolves with the next key, or with null after the end. */
  next(): Promise<string | null> {
    return new Promise(resolve => {
      this.#waiting = resolve;
      this.#resolveNext();
    });
  }

  /** Restores the terminal's mode. */
  end(): void {
    this.#isEnded = true;
    this.stdin.setRawMode(false);
    this.#resolveNext();
  }

  #resolveNext(): void {
    if (!this.#waiting || (this.#pressed.length === 0 && !this.#isEnded)) return;
    this.#waiting(this.#pressed.shift() ?? null);
    this.#waiting = null;
  }
}
