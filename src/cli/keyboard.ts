import type { ReadStream } from "node:tty";

/** Ctrl-C, which sends no signal while single keys are read. */
const END_OF_TEXT = "\u0003";

/** What an arrow, Delete, or a letter with Alt sends: several characters for one key (ECMA-48, CSI and SS3). */
const SEQUENCE = /\u001b(\[[\d;]*[A-Za-z~]|O[A-Z]|[^\u0003])?/g;

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
      for (const key of data.toString().replaceAll(SEQUENCE, "")) {
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
