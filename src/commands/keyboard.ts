import type { ReadStream } from "node:tty";

/** Ctrl-C, which sends no signal while single keys are read. */
const END_OF_TEXT = "\u0003";

const ESCAPE = "\u001b";

/** Single keys, from the first that is asked for until the end. */
export class Keyboard {
  /** Pressed, and not asked for yet. */
  readonly #pressed: string[] = [];
  #waiting: ((key: string | null) => void) | null = null;
  #ended = false;

  constructor(
    private readonly stdin: ReadStream,
    interrupt: () => void,
  ) {
    stdin.setRawMode(true);
    stdin.on("error", () => {}); // the terminal is gone: `end` comes too
    stdin.on("data", (data: Buffer) => {
      const keys = data.toString();
      if (keys.startsWith(ESCAPE)) return; // an arrow, Delete, and so on: more characters for one key
      for (const key of keys) {
        if (key === END_OF_TEXT) interrupt();
        else this.#pressed.push(key);
      }
      this.#give();
    });
    stdin.on("end", () => this.end());
  }

  /** What was pressed before now answers nothing. */
  forget(): void {
    this.#pressed.length = 0;
  }

  /** The next key; null when there will be no more. */
  next(): Promise<string | null> {
    return new Promise(resolve => {
      this.#waiting = resolve;
      this.#give();
    });
  }

  /** The terminal is as it was before. */
  end(): void {
    this.#ended = true;
    this.stdin.setRawMode(false);
    this.#give();
  }

  #give(): void {
    if (!this.#waiting || (this.#pressed.length === 0 && !this.#ended)) return;
    this.#waiting(this.#pressed.shift() ?? null);
    this.#waiting = null;
  }
}
