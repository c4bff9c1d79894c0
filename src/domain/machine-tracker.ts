import type { ClientEvent, EventOf, MachineState, Timed } from "../events/events.js";
import { GapBudget, mayTrack, MachineTally } from "./sequence-tally.js";
import { machineTopics } from "../protocol/topics.js";

/** If not exact, the latest possible time. */
export interface Moment {
  /** Milliseconds since 1970. */
  at: number;
  isExact: boolean;
}

export interface TrackedMachine {
  /** Untrusted: a level of its topics, or the topic of a status without a machine. */
  readonly name: string;
  /** `unknown`: no status was received. */
  state: MachineState | "unknown";
  since: Moment;
  /** The last one. */
  reading: { seq: number | null; sent: Moment } | null;
  readonly tally: MachineTally;
}

/** Follows every machine from the events of a subscriber, in constant time for each event. */
export class MachineTracker {
  /** All, also of other topics. */
  messages = 0;
  /** Messages of machines past the limit. */
  untrackedMessages = 0;
  readonly #machines = new Map<string, TrackedMachine>();
  readonly #gapBudget = new GapBudget();
  #byName: { machine: TrackedMachine; key: string }[] = [];
  #isSorted = true;

  constructor(private readonly namespace: string) {}

  add(event: Timed<ClientEvent>): void {
    if (event.event === "message") this.#countMessage(event);
    else if (event.event === "status") this.#updateState(event);
  }

  /** By name, Machine2 before Machine10. */
  sortedByName(): TrackedMachine[] {
    // On an almost sorted array, sort() takes little more than one comparison for each.
    if (!this.#isSorted) this.#byName.sort((a, b) => (a.key < b.key ? -1 : 1));
    this.#isSorted = true;
    return this.#byName.map(({ machine }) => machine);
  }

  #countMessage(message: TimedEvent<"message">): void {
    this.messages += 1;
    if (message.machine === null) return;
    const at = Date.parse(message.time);
    const machine = this.#trackedMachine(message.machine, at);
    if (!machine) {
      this.untrackedMessages += 1;
      return;
    }
    machine.tally.count(message);
    const { topic, delivery, seq } = message;
    if (topic !== machineTopics(this.namespace, message.machine).readings) return;
    const isCopy = delivery === "retained" && machine.reading?.seq === seq;
    if (!isCopy) machine.reading = { seq, sent: { at, isExact: delivery === "live" } };
  }

  #updateState({ time, machine: name, topic, state, delivery }: TimedEvent<"status">): void {
    const at = Date.parse(time);
    const machine = this.#trackedMachine(name ?? topic, at);
    const isExact = delivery === "live";
    if (!machine || (machine.state === state && !isExact)) return;
    machine.state = state;
    machine.since = { at, isExact };
  }

  #trackedMachine(name: string, at: number): TrackedMachine | null {
    const known = this.#machines.get(name);
    if (known) return known;
    if (!mayTrack(this.#machines, name)) return null;
    const since = { at, isExact: true };
    const machine: TrackedMachine = {
      name,
      state: "unknown",
      since,
      reading: null,
      tally: new MachineTally(this.#gapBudget),
    };
    this.#machines.set(name, machine);
    this.#byName.push({ machine, key: sortKey(name) });
    this.#isSorted = false;
    return machine;
  }
}

type TimedEvent<Name extends ClientEvent["event"]> = Timed<EventOf<ClientEvent, Name>>;

/** Pads numbers so that strings sort by value. Made once: comparing by locale takes a hundred times as long. */
const sortKey = (name: string) => name.replaceAll(/\d+/g, digits => digits.padStart(6, "0"));
