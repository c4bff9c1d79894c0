import { setMaxListeners } from "node:events";
import { createHistogram } from "node:perf_hooks";
import { ExitCode, errorEvent, exitCodeOf, isUserError } from "../util/errors.js";
import type { ClientEvent, SentSummary, Sink } from "../events/events.js";
import { machineOfFleet } from "../config/settings/fleet-settings.js";
import type { PubSettings } from "../config/settings/pub-settings.js";
import { whenAborted } from "../util/abort.js";
import type { RunContext, StopReason } from "./run-context.js";
import { runPublisher } from "./publisher.js";
import { type FailingMachine, FleetFailure } from "./fleet-failure.js";
import type { FailureBarrier } from "./simulate-failure.js";

/** Machines that may await their first CONNACK at once: a broker's queue for new connections is short. */
const MAX_CONNECTING = 50;
/** Milliseconds between two `fleet` events. */
const REPORT_INTERVAL_MS = 1000;
/** Different problems that are reported, each of the first machine that has it; the rest is counted. */
const MAX_REPORTED = 5;

type Named<Name> = Extract<ClientEvent, { event: Name }>;
type Problem = Named<"warning" | "error">;
type EventHandlers = { [Name in ClientEvent["event"]]?: (event: Named<Name>, settings: PubSettings) => void };

/** Runs pub-lwt --machines: each machine is a publisher with its own connection, session and will. */
export async function runFleet(
  settings: PubSettings,
  sink: Sink<ClientEvent>,
  context: RunContext,
): Promise<ExitCode> {
  const { fail } = settings;
  const failure = fail && new FleetFailure(settings, fail.cause, sink, context);
  try {
    await failure?.start();
  } catch (error) {
    if (!isUserError(error)) throw error;
    sink(errorEvent(error));
    return exitCodeOf(error);
  }
  const exitCode = await new Fleet(settings, sink, context, failure).run();
  await failure?.end();
  return failure?.exitCode || exitCode;
}

class Fleet {
  #allStarted = false;
  #running = 0;
  /** By machine. */
  readonly #connected = new Map<string, FailingMachine>();
  /** Aborted when the command stops, or for the fleet's own reason. */
  readonly #stop = new AbortController();
  /** In microseconds. */
  readonly #ackTimes = createHistogram();
  #sent = 0;
  #acknowledged = 0;
  #failed = 0;
  #problems = 0;
  readonly #reported = new Set<string>();
  readonly #summaries: SentSummary[] = [];
  /** When the last `fleet` event was emitted, by performance.now(), and the messages that had reached the broker. */
  #last = { at: performance.now(), reached: 0 };
  #entered: ReturnType<RunContext["enter"]> | null = null;
  /** Of each machine. One press of Enter is for all. */
  readonly #machineContext: RunContext;

  constructor(
    private readonly settings: PubSettings,
    private readonly sink: Sink<ClientEvent>,
    context: RunContext,
    private readonly failure: FleetFailure | null,
  ) {
    setMaxListeners(0, this.#stop.signal); // one or more a machine
    void whenAborted(context.stop).then(() => this.#stop.abort(context.stop.reason));
    const enter = () => (this.#entered ??= context.enter());
    this.#machineContext = { ...context, stop: this.#stop.signal, enter };
  }

  async run(): Promise<ExitCode> {
    this.#report();
    const reporting = setInterval(() => this.#report(), REPORT_INTERVAL_MS);
    const machines = await this.#startAll();
    this.#allStarted = true;
    this.#failWhenReady();
    const exitCodes = await Promise.all(machines);
    clearInterval(reporting);
    this.#report();
    if (this.settings.mode === "publish") this.sink({ event: "summary", machines: this.#summaries });
    return exitCodes.find(exitCode => exitCode !== ExitCode.done) ?? ExitCode.done;
  }

  /** Starts machines as fast as the broker accepts them. */
  async #startAll(): Promise<Promise<ExitCode>[]> {
    const { machines: count, firstMachine } = this.settings;
    const stop = this.#stop.signal;
    const machines: Promise<ExitCode>[] = [];
    let connecting = 0;
    let startNext = () => {};
    const onStarted = () => {
      connecting -= 1;
      startNext();
    };
    stop.addEventListener("abort", () => startNext());
    for (let number = firstMachine; number < firstMachine + count && !stop.aborted; number++) {
      connecting += 1;
      machines.push(this.#start(machineOfFleet(this.settings, number), onStarted));
      if (connecting >= MAX_CONNECTING) await new Promise<void>(resolve => (startNext = resolve));
    }
    return machines;
  }

  /** @param onStarted called once: when the machine is connected, or has ended without that */
  async #start(settings: PubSettings, onStarted: () => void): Promise<ExitCode> {
    let isStarting = true;
    const started = () => {
      if (isStarting) onStarted();
      isStarting = false;
    };
    const onEvent = (event: ClientEvent) => {
      if (event.event === "connected") started();
      // The table pairs each name with its own event.
      const handler = this.#handlers[event.event] as
        | ((event: ClientEvent, settings: PubSettings) => void)
        | undefined;
      handler?.(event, settings);
    };
    this.#running += 1;
    try {
      return await runPublisher(settings, onEvent, this.#machineContext, this.#barrier());
    } finally {
      this.#running -= 1;
      this.#failWhenReady();
      started();
    }
  }

  #barrier(): FailureBarrier | null {
    const { failure } = this;
    if (!failure) return null;
    const allReady = () => {
      const all = failure.allReady();
      this.#failWhenReady();
      return all;
    };
    return { allReady, seen: failure.seen };
  }

  #failWhenReady(): void {
    if (this.#allStarted) this.failure?.failWhenReady(this.#running, this.#connected.values());
  }

  /** The events of one machine that matter to the fleet. */
  readonly #handlers: EventHandlers = {
    connected: ({ broker }, { machine, willTopic }) => {
      this.#connected.set(machine, { broker, willTopic });
      if (this.#connected.size === this.settings.machines) this.#report();
    },
    disconnected: (_, { machine }) => {
      this.#connected.delete(machine);
      if (this.#connected.size === 0) this.failure?.allClosed();
    },
    published: ({ topic }, { readingsTopic }) => {
      if (topic === readingsTopic) this.#sent += 1;
    },
    acknowledged: ({ topic, milliseconds }, { readingsTopic }) => {
      if (topic !== readingsTopic) return;
      this.#acknowledged += 1;
      this.#ackTimes.record(Math.max(1, Math.round(milliseconds * 1000)));
    },
    summary: ({ machines }) => this.#summaries.push(...(machines as SentSummary[])),
    error: (event, { machine }) => {
      this.#failed += 1;
      if (event.code === "client-id-in-use") this.#giveWay(machine, event);
      else this.#reportProblem(machine, event);
    },
    warning: (event, { machine }) => this.#reportProblem(machine, event),
    forgotten: event => void this.sink(event),
  };

  /** Stops the fleet: a client that has one of its names has the others too, and each would take over from the other. */
  #giveWay(machine: string, { code, message }: Problem): void {
    if (this.#stop.signal.aborted) return;
    const { firstMachine, machines } = this.settings;
    const next = firstMachine + machines;
    const range = `--machines ${next}-${next + machines - 1}`;
    this.sink({
      event: "error",
      code,
      message: `${machine}: ${message} All machines of this run stop.`,
      hint: `Two fleets must not overlap, on one computer or on several: give this one other machines, ${range}.`,
    });
    this.#stop.abort("names-in-use" satisfies StopReason);
  }

  #reportProblem(machine: string, { code, message, hint }: Problem): void {
    this.#problems += 1;
    if (this.#reported.size >= MAX_REPORTED || this.#reported.has(message)) return;
    this.#reported.add(message);
    this.sink({ event: "warning", code, message: `${machine}: ${message}`, hint });
  }

  #report(): void {
    const now = performance.now();
    const { qos, machines } = this.settings;
    const reached = qos === 0 ? this.#sent : this.#acknowledged;
    const within = (percent: number) =>
      this.#acknowledged > 0 ? Math.round(this.#ackTimes.percentile(percent) / 100) / 10 : null;
    this.sink({
      event: "fleet",
      machines,
      connected: this.#connected.size,
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
