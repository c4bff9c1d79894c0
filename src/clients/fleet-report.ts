import { createHistogram } from "node:perf_hooks";
import type { PubSettings } from "../config/settings/pub-settings.js";
import type { ClientEvent, SentSummary, Sink } from "../events/events.js";

/** Milliseconds between two `fleet` events. */
const REPORT_INTERVAL_MS = 1000;
/** Different problems that are reported, each of the first machine that has it; the rest is counted. */
const MAX_REPORTED = 5;

/** Sums up the events of a fleet's machines in `fleet` events, a summary, and a few warnings. */
export class FleetReport {
  #connected = 0;
  #sent = 0;
  #acknowledged = 0;
  #failed = 0;
  #problems = 0;
  readonly #reported = new Set<string>();
  readonly #summaries: SentSummary[] = [];
  /** In microseconds. */
  readonly #ackTimes = createHistogram();
  /** When the last `fleet` event was emitted, by performance.now(), and the messages that had reached the broker. */
  #last = { at: performance.now(), reached: 0 };
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly settings: PubSettings,
    private readonly sink: Sink<ClientEvent>,
  ) {}

  start(): void {
    this.#emit();
    this.#timer = setInterval(() => this.#emit(), REPORT_INTERVAL_MS);
  }

  end(): void {
    clearInterval(this.#timer);
    this.#emit();
    if (this.settings.mode === "publish") this.sink({ event: "summary", machines: this.#summaries });
  }

  setConnected(machines: number): void {
    const isGrowing = machines > this.#connected;
    this.#connected = machines;
    if (isGrowing && machines === this.settings.machines) this.#emit();
  }

  add(event: ClientEvent, { machine, readingsTopic }: PubSettings): void {
    if (event.event === "published" && event.topic === readingsTopic) this.#sent += 1;
    else if (event.event === "acknowledged" && event.topic === readingsTopic) {
      this.#acknowledged += 1;
      this.#ackTimes.record(Math.max(1, Math.round(event.milliseconds * 1000)));
    } else if (event.event === "summary") this.#summaries.push(...(event.machines as SentSummary[]));
    else if (event.event === "warning") this.#addProblem(machine, event);
    else if (event.event === "error") {
      this.#failed += 1;
      if (event.code !== "client-id-in-use") this.#addProblem(machine, event); // the fleet reports that one
    }
  }

  #addProblem(machine: string, problem: Extract<ClientEvent, { event: "warning" | "error" }>): void {
    const { code, message, hint } = problem;
    this.#problems += 1;
    if (this.#reported.size >= MAX_REPORTED || this.#reported.has(message)) return;
    this.#reported.add(message);
    this.sink({ event: "warning", code, message: `${machine}: ${message}`, hint });
  }

  #emit(): void {
    const now = performance.now();
    const { qos, machines } = this.settings;
    const reached = qos === 0 ? this.#sent : this.#acknowledged;
    const within = (percent: number) =>
      this.#acknowledged > 0 ? Math.round(this.#ackTimes.percentile(percent) / 100) / 10 : null;
    this.sink({
      event: "fleet",
      machines,
      connected: this.#connected,
      sent: this.#sent,
      acknowledged: this.#acknowledged,
      failed: this.#failed,
      unreported: this.#problems - this.#reported.size,
      perSecond: Math.round((1000 * (reached - this.#last.reached)) / Math.max(1, now - this.#last.at)),
      p50: within(50),
      p99: within(99),
    });
    this.#last = { at: now, reached };
  }
}
