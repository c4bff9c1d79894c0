import type { ClientEvent, MachineState, Timed } from "../events/events.js";
import { GapBudget, hasRoomFor, MachineTally } from "./sequence-tally.js";
import { machineTopics } from "../protocol/topics.js";

/** A moment that is known, or of which only this is known: it was not later. */
export interface Moment {
  /** Milliseconds since 1970. */
  at: number;
  exact: boolean;
}

/** What became of one machine, as far as this process has heard. */
export interface TrackedMachine {
  /** As it stands in its topics; or the topic of a status that names no machine. From the network. */
  readonly name: string;
  /** `unknown`: it has sent something, and no status. */
  state: MachineState | "unknown";
  since: Moment;
  /** The last one. `seq` is null where it carries none. */
  reading: { seq: number | null; sent: Moment } | null;
  readonly tally: MachineTally;
}

/** Follows every machine, from the events of a subscriber: constant work for each. */
export class MachineTracker {
  /** Of all machines, and of other topics. */
  messages = 0;
  /** Messages of machines that there was no room for. */
  untrackedMessages = 0;
  readonly #machines = new Map<string, TrackedMachine>();
  readonly #room = new GapBudget();
  /** In the order of their names, as far as they have been sorted. */
  #byName: { machine: TrackedMachine; key: string }[] = [];
  #isSorted = true;

  constructor(private readonly namespace: string) {}

  hear(event: Timed<ClientEvent>): void {
    if (event.event === "message") this.#message(event);
    else if (event.event === "status") this.#status(event);
  }

  /** By name, Machine2 before Machine10. */
  inOrder(): TrackedMachine[] {
    // Almost sorted already: then it takes little more than one look at each.
    if (!this.#isSorted) this.#byName.sort((a, b) => (a.key < b.key ? -1 : 1));
    this.#isSorted = true;
    return this.#byName.map(({ machine }) => machine);
  }

  #message(message: Named<"message">): void {
    this.messages += 1;
    if (message.machine === null) return;
    const at = Date.parse(message.time);
    const machine = this.#machine(message.machine, at);
    if (!machine) {
      this.untrackedMessages += 1;
      return;
    }
    machine.tally.count(message);
    const { topic, delivery, seq } = message;
    if (topic !== machineTopics(this.namespace, message.machine).readings) return;
    const isCopy = delivery === "retained" && machine.reading?.seq === seq;
    if (!isCopy) machine.reading = { seq, sent: { at, exact: delivery === "live" } };
  }

  #status({ time, machine: name, topic, state, delivery }: Named<"status">): void {
    const at = Date.parse(time);
    const machine = this.#machine(name ?? topic, at);
    const exact = delivery === "live";
    if (!machine || (machine.state === state && !exact)) return;
    machine.state = state;
    machine.since = { at, exact };
  }

  #machine(name: string, at: number): TrackedMachine | null {
    const known = this.#machines.get(name);
    if (known) return known;
    if (!hasRoomFor(this.#machines, name)) return null;
    const since = { at, exact: true };
    const machine: TrackedMachine = {
      name,
      state: "unknown",
      since,
      reading: null,
      tally: new MachineTally(this.#room),
    };
    this.#machines.set(name, machine);
    this.#byName.push({ machine, key: sortKey(name) });
    this.#isSorted = false;
    return machine;
  }
}

type Named<Name> = Extract<Timed<ClientEvent>, { event: Name }>;

/** Numbers by their value, with as many digits as most have. Made once: comparing by locale takes a hundred times as long. */
const sortKey = (name: string) => name.replaceAll(/\d+/g, digits => digits.padStart(6, "0"));
