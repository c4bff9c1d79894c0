import type { RunContext } from "../clients/run-context.js";
import type { Keyboard } from "./keyboard.js";

type Input = Pick<RunContext, "enter" | "input" | "key" | "secret">;

/** Reads standard input: as a stream, by Enter, by single keys, or as a password. */
export class UserInput implements Input {
  #stdin: typeof process.stdin | null = null;
  #keyboard: Keyboard | null = null;

  constructor(
    private readonly stop: AbortSignal,
    private readonly usesJson: boolean,
    private readonly interrupt: () => void,
  ) {
    stop.addEventListener("abort", () => this.#keyboard?.end());
  }

  readonly input = (): AsyncIterable<Buffer> => this.#opened;

  readonly enter = () =>
    new Promise<"pressed" | "ended">(resolve => {
      this.#opened.once("data", () => resolve("pressed")).once("end", () => resolve("ended"));
    });

  /** Reads keys only where the user can see the question. */
  readonly key = async (fresh: boolean): Promise<string | null> => {
    if (!this.#opened.isTTY || !process.stdout.isTTY || this.usesJson || this.stop.aborted) return null;
    const keyboard = await this.#openKeyboard();
    if (fresh) keyboard.forget();
    return keyboard.next();
  };

  readonly secret = async (question: string) => {
    const { readFirstLine, promptPassword } = await import("./password-prompt.js");
    if (!this.#opened.isTTY) {
      const text = await readFirstLine(this.#opened);
      return text === null ? null : { text, isTyped: false };
    }
    const keyboard = await this.#openKeyboard(); // from here on, the terminal does not echo
    process.stderr.write(question);
    const text = await promptPassword(keyboard);
    process.stderr.write("\n");
    return text === null ? null : { text, isTyped: true };
  };

  end(): void {
    this.#keyboard?.end();
    this.#stdin?.destroy();
  }

  /** Node opens stdin at its first use, and loads 3 ms of modules for that. */
  get #opened(): typeof process.stdin {
    return (this.#stdin ??= process.stdin);
  }

  async #openKeyboard(): Promise<Keyboard> {
    return (this.#keyboard ??= new (await import("./keyboard.js")).Keyboard(this.#opened, this.interrupt));
  }
}
