import { setMaxListeners } from "node:events";
import { ExitCode, errorEvent, exitCodeOf, isUserError } from "../util/errors.js";
import type { ClientEvent, Sink } from "../events/events.js";
import { machineOfFleet, separateRange } from "../config/settings/fleet-settings.js";
import type { PubSettings } from "../config/settings/pub-settings.js";
import { whenAborted } from "../util/abort.js";
import type { RunContext, StopReason } from "./run-context.js";
import { runPublisher } from "./publisher.js";
import { type FailingMachine, FleetFailure } from "./fleet-failure.js";
import { FleetReport } from "./fleet-report.js";
import type { FailureBarrier } from "./simulate-failure.js";

/** Machines that may await their first CONNACK at once: a broker's queue for new connections is short. */
const MAX_CONNECTING = 50;

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
  readonly #report: FleetReport;
  #entered: ReturnType<RunContext["enter"]> | null = null;
  /** Of each machine. One press of Enter is for all. */
  readonly #machineContext: RunContext;

  constructor(
    private readonly settings: PubSettings,
    private readonly sink: Sink<ClientEvent>,
    context: RunContext,
    private readonly failure: FleetFailure | null,
  ) {
    this.#report = new FleetReport(settings, sink);
    setMaxListeners(0, this.#stop.signal); // one or more a machine
    void whenAborted(context.stop).then(() => this.#stop.abort(context.stop.reason));
    const enter = () => (this.#entered ??= context.enter());
    this.#machineContext = { ...context, stop: this.#stop.signal, enter };
  }

  async run(): Promise<ExitCode> {
    this.#report.start();
    const machines = await this.#startAll();
    this.#allStarted = true;
    this.#failWhenReady();
    const exitCodes = await Promise.all(machines);
    this.#report.end();
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
      this.#onEvent(event, settings);
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

  #onEvent(event: ClientEvent, settings: PubSettings): void {
    const { machine, willTopic } = settings;
    if (event.event === "connected") {
      this.#connected.set(machine, { broker: event.broker, willTopic });
      this.#report.setConnected(this.#connected.size);
    } else if (event.event === "disconnected") {
      this.#connected.delete(machine);
      this.#report.setConnected(this.#connected.size);
      if (this.#connected.size === 0) this.failure?.allClosed();
    } else if (event.event === "forgotten") void this.sink(event);
    else this.#report.add(event, settings);
    if (event.event === "error" && event.code === "client-id-in-use") this.#giveWay(machine, event.message);
  }

  /** Stops the fleet: a client that has one of its names has the others too, and each would take over from the other. */
  #giveWay(machine: string, message: string): void {
    if (this.#stop.signal.aborted) return;
    const { firstMachine, machines } = this.settings;
    const { first, last } = separateRange(firstMachine, machines);
    this.sink({
      event: "error",
      code: "client-id-in-use",
      message: `${machine}: ${message} All machines of this run stop.`,
      hint: `Use a range that no other fleet uses: --machines ${first}-${last}`,
    });
    this.#stop.abort("names-in-use" satisfies StopReason);
  }
}
