import type { ProcessEvent } from "../../events/events.js";
import { matches, type Pattern } from "../language/matcher.js";

export interface AwaitedEvent {
  from: string;
  pattern: Pattern;
  /** None of these may come before what is wanted. */
  never: Pattern | undefined;
  /** One of these may come in its place. */
  instead: Pattern | undefined;
}

/** What became of waiting for an event; `heard` is what that process said meanwhile, what decided last. */
export type Outcome = {
  is: "found" | "forbidden" | "instead" | "ended" | "late";
  heard: readonly ProcessEvent[];
};

/**
 * What the processes of a lesson said, in order. Each process has a place up to which it has been read: what was
 * found is not found again, and what came earlier than it is not found any more, so that order can be expected.
 */
export class EventLog {
  readonly #said = new Map<string, ProcessEvent[]>();
  readonly #ended = new Set<string>();
  readonly #watchers = new Set<() => void>();

  /** What an earlier process of that name said is not to be found any more. */
  started(name: string): void {
    this.#said.delete(name);
    this.#ended.delete(name);
  }

  record(event: ProcessEvent): void {
    const said = this.#said.get(event.process);
    if (said) said.push(event);
    else this.#said.set(event.process, [event]);
    this.#wake();
  }

  /** Nothing more will come from it. */
  ended(name: string): void {
    this.#ended.add(name);
    this.#wake();
  }

  /** Waits so many milliseconds at most. Rejects with the signal's reason when that is aborted first. */
  find(wanted: AwaitedEvent, milliseconds: number, signal: AbortSignal): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        signal.removeEventListener("abort", giveUp);
        this.#watchers.delete(look);
        settle();
      };
      const look = () => {
        const outcome = this.#read(wanted);
        if (outcome) finish(() => resolve(outcome));
      };
      const giveUp = () => finish(() => reject(signal.reason as Error));
      const late = () => finish(() => resolve({ is: "late", heard: this.#unread(wanted.from) }));
      const timer = setTimeout(late, milliseconds);
      signal.addEventListener("abort", giveUp);
      this.#watchers.add(look);
      look();
      if (signal.aborted) giveUp();
    });
  }

  #read({ from, pattern, never, instead }: AwaitedEvent): Outcome | null {
    const unread = this.#unread(from);
    const verdicts = { found: pattern, forbidden: never, instead };
    const verdictOf = (event: ProcessEvent) =>
      (["found", "forbidden", "instead"] as const).find(is => {
        const one = verdicts[is];
        return one && matches(event, one);
      });
    for (const [i, event] of unread.entries()) {
      const is = verdictOf(event);
      if (is === undefined) continue;
      // What was read is dropped: the next look begins behind it.
      this.#said.set(from, unread.slice(i + 1));
      return { is, heard: unread.slice(0, i + 1) };
    }
    return this.#ended.has(from) ? { is: "ended", heard: unread } : null;
  }

  #unread(name: string): ProcessEvent[] {
    return this.#said.get(name) ?? [];
  }

  #wake(): void {
    for (const look of this.#watchers) look();
  }
}
