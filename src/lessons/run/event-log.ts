import type { ProcessEvent } from "../../events/events.js";
import { matches, type Pattern } from "../language/matcher.js";

export interface AwaitedEvent {
  from: string;
  pattern: Pattern;
  /** No such event may come before the awaited one. */
  never: Pattern | undefined;
  /** Such an event may come in place of the awaited one. */
  instead: Pattern | undefined;
}

/** The end of a search. `events` are those of the process since its last match, the deciding one last. */
export type SearchResult = {
  outcome: "found" | "forbidden" | "instead" | "ended" | "late";
  events: readonly ProcessEvent[];
};

/**
 * Stores the events of each process until a search reads them. A search begins after the event that the last one
 * found, so that a lesson can expect an order.
 */
export class EventLog {
  readonly #unread = new Map<string, ProcessEvent[]>();
  readonly #ended = new Set<string>();
  readonly #watchers = new Set<() => void>();

  reset(name: string): void {
    this.#unread.delete(name);
    this.#ended.delete(name);
  }

  record(event: ProcessEvent): void {
    const unread = this.#unread.get(event.process);
    if (unread) unread.push(event);
    else this.#unread.set(event.process, [event]);
    this.#notify();
  }

  /** Ends the searches in a process that emits no more events. */
  markEnded(name: string): void {
    this.#ended.add(name);
    this.#notify();
  }

  /** Rejects with the signal's reason if the signal is aborted first. */
  find(awaited: AwaitedEvent, timeoutMs: number, signal: AbortSignal): Promise<SearchResult> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
        this.#watchers.delete(search);
        settle();
      };
      const search = () => {
        const result = this.#search(awaited);
        if (result) finish(() => resolve(result));
      };
      const onAbort = () => finish(() => reject(signal.reason as Error));
      const onTimeout = () =>
        finish(() => resolve({ outcome: "late", events: this.#unreadOf(awaited.from) }));
      const timer = setTimeout(onTimeout, timeoutMs);
      signal.addEventListener("abort", onAbort);
      this.#watchers.add(search);
      search();
      if (signal.aborted) onAbort();
    });
  }

  #search({ from, pattern, never, instead }: AwaitedEvent): SearchResult | null {
    const unread = this.#unreadOf(from);
    const patterns = { found: pattern, forbidden: never, instead };
    const outcomeOf = (event: ProcessEvent) =>
      (["found", "forbidden", "instead"] as const).find(outcome => {
        const each = patterns[outcome];
        return each && matches(event, each);
      });
    for (const [i, event] of unread.entries()) {
      const outcome = outcomeOf(event);
      if (outcome === undefined) continue;
      this.#unread.set(from, unread.slice(i + 1));
      return { outcome, events: unread.slice(0, i + 1) };
    }
    return this.#ended.has(from) ? { outcome: "ended", events: unread } : null;
  }

  #unreadOf(name: string): ProcessEvent[] {
    return this.#unread.get(name) ?? [];
  }

  #notify(): void {
    for (const search of this.#watchers) search();
  }
}
