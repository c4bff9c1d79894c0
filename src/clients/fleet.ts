import { setMaxListeners } from "node:events";
import { createHistogram } from "node:perf_hooks";
import { ExitCode, errorEvent, exitCodeOf, isUserError } from "../util/errors.js";
import type { ClientEvent, SentSummary, Sink } from "../events/events.js";
import { machineOfFleet } from "../config/settings/fleet-settings.js";
import type { PubSettings } from "../config/settings/pub-settings.js";
import { aborted, type RunContext, type StopReason } from "./run-context.js";
import { runPublisher } from "./publisher.js";
import { type FailingMachine, FleetFailure } from "./fleet-failure.js";

/** Machines that may be on their way to their first CONNACK at once: a broker's queue for new connections is short. */
const ON_THEIR_WAY = 50;
/** Milliseconds between two looks at the whole fleet. */
const LOOK = 1000;
/** Sentences on what went wrong, each told of the first machine that it befell: the rest is counted. */
const TOLD = 5;

type Named<Name> = Extract<ClientEvent, { event: Name }>;
type Trouble = Named<"warning" | "error">;
type Ears = { [Name in ClientEvent["event"]]?: (event: Named<Name>, settings: PubSettings) => void };

/** The work of pub-lwt --machines: each is a publisher of its own, with its own connection, session and will. */
export async function runFleet(
  settings: PubSettings,
  sink: Sink<ClientEvent>,
  control: RunContext,
): Promise<ExitCode> {
  const { fail } = settings;
  const vanishing = fail && new FleetFailure(settings, fail.cause, sink, control);
  try {
    await vanishing?.start();
  } catch (error) {
    if (!isUserError(error)) throw error;
    sink(errorEvent(error));
    return exitCodeOf(error);
  }
  const exitCode = await new Fleet(settings, sink, control, vanishing).run();
  await vanishing?.end();
  return vanishing?.exitCode || exitCode;
}

class Fleet {
  #allStarted = false;
  #running = 0;
  /** By machine. */
  readonly #connected = new Map<string, FailingMachine>();
  /** When it is time to end, for the fleet's own reason or for the one that comes from outside. */
  readonly #stop = new AbortController();
  /** Of acknowledgments, in microseconds. */
  readonly #waited = createHistogram();
  #sent = 0;
  #acknowledged = 0;
  #failed = 0;
  #troubles = 0;
  readonly #told = new Set<string>();
  readonly #summaries: SentSummary[] = [];
  /** When the last look was, in performance.now()'s milliseconds, and what had been reached then. */
  #looked = { at: performance.now(), reached: 0 };
  #entered: ReturnType<RunContext["enter"]> | null = null;
  /** Of each machine. One key is for all. */
  readonly #controlOfOne: RunContext;

  constructor(
    private readonly settings: PubSettings,
    private readonly sink: Sink<ClientEvent>,
    control: RunContext,
    /** Null: they are not to fail. */
    private readonly vanishing: FleetFailure | null,
  ) {
    setMaxListeners(0, this.#stop.signal); // each machine hears it
    void aborted(control.stop).then(() => this.#stop.abort(control.stop.reason));
    const enter = () => (this.#entered ??= control.enter());
    this.#controlOfOne = { ...control, stop: this.#stop.signal, enter };
  }

  async run(): Promise<ExitCode> {
    this.#look();
    const looking = setInterval(() => this.#look(), LOOK);
    const machines = await this.#startAll();
    this.#allStarted = true;
    this.#failWhenReady();
    const exitCodes = await Promise.all(machines);
    clearInterval(looking);
    this.#look();
    if (this.settings.mode === "publish") this.sink({ event: "summary", machines: this.#summaries });
    return exitCodes.find(exitCode => exitCode !== ExitCode.done) ?? ExitCode.done;
  }

  /** As fast as the broker takes them. */
  async #startAll(): Promise<Promise<ExitCode>[]> {
    const { machines: count, firstMachine } = this.settings;
    const stop = this.#stop.signal;
    const machines: Promise<ExitCode>[] = [];
    let onTheirWay = 0;
    let goOn = () => {};
    const arrived = () => {
      onTheirWay -= 1;
      goOn();
    };
    stop.addEventListener("abort", () => goOn());
    for (let number = firstMachine; number < firstMachine + count && !stop.aborted; number++) {
      onTheirWay += 1;
      machines.push(this.#start(machineOfFleet(this.settings, number), arrived));
      if (onTheirWay >= ON_THEIR_WAY) await new Promise<void>(resolve => (goOn = resolve));
    }
    return machines;
  }

  /** @param arrived called once: it is connected, or over without that */
  async #start(settings: PubSettings, arrived: () => void): Promise<ExitCode> {
    let isOnItsWay = true;
    const arrive = () => {
      if (isOnItsWay) arrived();
      isOnItsWay = false;
    };
    const hear = (event: ClientEvent) => {
      if (event.event === "connected") arrive();
      this.#hear(event, settings);
    };
    this.#running += 1;
    try {
      return await runPublisher(settings, hear, this.#controlOfOne, this.#crowd());
    } finally {
      this.#running -= 1;
      this.#failWhenReady();
      arrive();
    }
  }

  #crowd() {
    const { vanishing } = this;
    if (!vanishing) return null;
    const allReady = () => {
      const all = vanishing.allReady();
      this.#failWhenReady();
      return all;
    };
    return { allReady, seen: vanishing.seen };
  }

  #failWhenReady(): void {
    if (this.#allStarted) this.vanishing?.failWhenReady(this.#running, this.#connected.values());
  }

  /** What is heard of one machine among thousands; the rest is between it and its broker. */
  readonly #ears: Ears = {
    connected: ({ broker }, { machine, willTopic }) => {
      this.#connected.set(machine, { broker, willTopic });
      if (this.#connected.size === this.settings.machines) this.#look();
    },
    disconnected: (_, { machine }) => {
      this.#connected.delete(machine);
      if (this.#connected.size === 0) this.vanishing?.allAreGone();
    },
    published: ({ topic }, { readingsTopic }) => {
      if (topic === readingsTopic) this.#sent += 1;
    },
    acknowledged: ({ topic, milliseconds }, { readingsTopic }) => {
      if (topic !== readingsTopic) return;
      this.#acknowledged += 1;
      this.#waited.record(Math.max(1, Math.round(milliseconds * 1000)));
    },
    summary: ({ machines }) => this.#summaries.push(...(machines as SentSummary[])),
    error: (event, { machine }) => {
      this.#failed += 1;
      if (event.code === "client-id-in-use") this.#giveWay(machine, event);
      else this.#tell(machine, event);
    },
    warning: (event, { machine }) => this.#tell(machine, event),
    forgotten: event => void this.sink(event),
  };

  #hear(event: ClientEvent, settings: PubSettings): void {
    // The table pairs each name with its own event.
    const ear = this.#ears[event.event] as ((event: ClientEvent, settings: PubSettings) => void) | undefined;
    ear?.(event, settings);
  }

  /** Who has one of the names has others too: the rest does not go on throwing them out, and being thrown out. */
  #giveWay(machine: string, { code, message }: Trouble): void {
    if (this.#stop.signal.aborted) return;
    const { firstMachine, machines } = this.settings;
    const next = firstMachine + machines;
    const range = `--machines ${next}-${next + machines - 1}`;
    const hint = `Two fleets must not overlap, on one computer or on several: give this one other machines, ${range}.`;
    this.sink({
      event: "error",
      code,
      message: `${machine}: ${message} All machines of this run stop.`,
      hint,
    });
    this.#stop.abort("names-in-use" satisfies StopReason);
  }

  #tell(machine: string, { code, message, hint }: Trouble): void {
    this.#troubles += 1;
    if (this.#told.size >= TOLD || this.#told.has(message)) return;
    this.#told.add(message);
    this.sink({ event: "warning", code, message: `${machine}: ${message}`, hint });
  }

  #look(): void {
    const now = performance.now();
    const { qos, machines } = this.settings;
    const reached = qos === 0 ? this.#sent : this.#acknowledged;
    const within = (percent: number) =>
      this.#acknowledged > 0 ? Math.round(this.#waited.percentile(percent) / 100) / 10 : null;
    this.sink({
      event: "fleet",
      machines,
      connected: this.#connected.size,
      sent: this.#sent,
      acknowledged: this.#acknowledged,
      failed: this.#failed,
      unreported: this.#troubles - this.#told.size,
      perSecond: Math.round((1000 * (reached - this.#looked.reached)) / Math.max(1, now - this.#looked.at)),
      p50: within(50),
      p99: within(99),
    });
    this.#looked = { at: now, reached };
  }
}
