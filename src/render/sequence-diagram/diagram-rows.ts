import type { Participant, ProcessEvent, QoS } from "../../events/events.js";
import { columnsOf, cut, wrap } from "../text-layout.js";
import { escapeText } from "../escape.js";
import { pen, places, Row, type Style } from "./diagram-grid.js";
import { type Mark, marksOf, type Scene, type Tone } from "./diagram-labels.js";

interface Column extends Participant {
  x: number;
  /** Up to where there is room for notes: the next lifeline, or the edge. */
  until: number;
  lifeline: "none" | "open" | "broken";
  cable: "cut" | "failed" | "mended";
}

type MarkOf<Draw extends Mark["draw"]> = Extract<Mark, { draw: Draw }>;

/** From left to right, as a message goes: the broker, which may go by its address, between its clients. */
const PLACE: Record<string, number> = { "pub-lwt": 0, "slide-code.py": 0, "sub-lwt": 2 };
const BROKER_PLACE = 1;
const placeOf = ({ command }: Participant) =>
  (Object.hasOwn(PLACE, command) ? PLACE[command] : undefined) ?? BROKER_PLACE;
/** The command of the lesson's own broker. */
export const BUNDLED = "lwt-broker";
export const brokerOf = (participants: Participant[]): Participant | undefined =>
  participants.find(one => placeOf(one) === BROKER_PLACE);
/** The second connection of `pub-lwt --fail`, which only watches. */
const WITNESS = /-witness$/;
/** What an arrow has beside its label, at the least: a dash and a blank before it, a blank and the head after it. */
const SHAFT = 4;

/** The lifelines of one lesson, and the rows that its events become. Text from the network is escaped here. */
export class DiagramRows {
  readonly #width: number;
  readonly #styles: Record<Tone, Style>;
  readonly #columns: Column[];
  readonly #processes = new Map<string, string>();
  /** By client identifier: who had it last, before the one that has it now. */
  readonly #evicted = new Map<string, string>();
  readonly #qos = new Map<string, QoS>();
  readonly #scene: Scene;

  constructor(participants: Participant[], width: number, styles: Record<Tone, Style>) {
    this.#width = width;
    this.#styles = styles;
    this.#columns = columnsFor(participants, width);
    this.#scene = {
      broker: brokerOf(participants)?.name ?? "",
      clientOf: clientId => this.#processes.get(clientId),
      evictedFrom: clientId => this.#evicted.get(clientId),
      isOpen: process => this.#column(process)?.lifeline === "open",
      qosOf: (process, packetId) => this.#qos.get(`${process} ${packetId}`),
    };
  }

  /** The participants' names, each over its lifeline. */
  header(style: Style): string {
    const row = new Row(this.#width);
    let free = 0;
    for (const { name, x, until } of this.#columns) {
      const text = cut(escapeText(name), until - free - 1);
      const centred = x - Math.floor(columnsOf(text) / 2);
      const at = Math.max(free, Math.min(centred, this.#width - columnsOf(text)));
      row.write(at, text, style);
      free = at + columnsOf(text) + 1;
    }
    return row.toString();
  }

  /** The rows for what a process said; none for most of it. */
  rows(event: ProcessEvent): string[] {
    if (event.event === "connecting" && WITNESS.test(event.clientId)) return [];
    if (event.event === "connecting") this.#connecting(event.clientId, event.process);
    if (event.event === "published" && event.packetId !== null)
      this.#qos.set(`${event.process} ${event.packetId}`, event.qos);
    return marksOf(event, this.#scene).flatMap(mark => this.#draw(mark.draw, mark));
  }

  #connecting(clientId: string, process: string): void {
    const before = this.#processes.get(clientId);
    if (before !== undefined && before !== process) this.#evicted.set(clientId, before);
    this.#processes.set(clientId, process);
  }

  #draw<Draw extends Mark["draw"]>(draw: Draw, mark: MarkOf<Draw>): string[] {
    const drawings: { [Each in Mark["draw"]]: (mark: MarkOf<Each>) => string[] } = {
      open: ({ at }) => this.#turn(at, "open"),
      close: ({ at }) => this.#turn(at, "none"),
      break: ({ at, text }) => this.#break(at, text),
      note: ({ at, text, tone }) => this.#note(this.#row(), at, text, tone),
      arrow: arrow => this.#arrow(arrow),
      cable: ({ at, state }) => this.#cable(at, state),
    };
    return drawings[draw](mark);
  }

  #turn(at: string, lifeline: Column["lifeline"]): string[] {
    const column = this.#column(at);
    if (column) column.lifeline = lifeline;
    return [];
  }

  #break(at: string, text: string): string[] {
    const column = this.#column(at);
    if (!column) return [];
    column.lifeline = "broken";
    const row = this.#row();
    row.write(column.x, pen.cross, this.#styles.bad);
    return this.#note(row, at, text, "bad");
  }

  /** In the middle of the way to the broker. */
  #cable(at: string, state: Column["cable"]): string[] {
    const column = this.#column(at);
    const broker = this.#column(this.#scene.broker);
    if (!column || !broker) return [];
    column.cable = state;
    const text = {
      cut: `${pen.cross} cable cut`,
      failed: `${pen.cross} broker fails`,
      mended: "cable mended",
    }[state];
    const row = this.#row();
    const middle = Math.round((column.x + broker.x - columnsOf(text)) / 2);
    row.write(Math.max(0, middle), text, this.#styles[state === "mended" ? "good" : "bad"]);
    return [row.toString()];
  }

  #arrow({ from, to, labels, note, tone = "plain" }: MarkOf<"arrow">): string[] {
    const source = this.#column(from);
    const target = this.#column(to);
    if (!source || !target) return [];
    const row = this.#row();
    const arrives = source.cable !== "cut";
    this.#shaft(
      row,
      source.x,
      target.x,
      arrives,
      labels.map(escapeText),
      this.#styles[arrives ? tone : "bad"],
    );
    return note === undefined ? [row.toString()] : this.#note(row, to, note, tone);
  }

  #shaft(row: Row, source: number, target: number, arrives: boolean, labels: string[], style: Style): void {
    const { dash, cross } = pen;
    const { left, right } = arrives ? pen : { left: cross, right: cross };
    const inner = Math.abs(target - source) - 1;
    const room = inner - SHAFT;
    const label = labels.find(text => columnsOf(text) <= room) ?? cut(labels.at(-1) ?? "", room);
    const start = columnsOf(label) < room ? dash.repeat(2) : dash;
    const rest = dash.repeat(Math.max(0, inner - start.length - columnsOf(label) - 3));
    if (source < target) row.write(source + 1, `${start} ${label} ${rest}${right}`, style);
    else row.write(target + 1, `${left}${rest} ${label} ${start}`, style);
  }

  /** Text to the right of a lifeline, on this row and as many more as it takes. */
  #note(first: Row, at: string, text: string, tone: Tone = "plain"): string[] {
    const column = this.#column(at);
    if (!column) return [];
    const start = column.x + 2;
    const width = column.until - start - 1;
    return wrap(escapeText(text), width, "")
      .split("\n")
      .map((line, i) => {
        const row = i === 0 ? first : this.#row();
        row.write(start, cut(line, width), this.#styles[tone]);
        return row.toString();
      });
  }

  /** A row with nothing but the lifelines. */
  #row(): Row {
    const row = new Row(this.#width);
    const { line, broken } = pen;
    const drawn = { none: " ", open: line, broken };
    for (const { x, lifeline } of this.#columns) row.write(x, drawn[lifeline]);
    return row;
  }

  #column(name: string): Column | undefined {
    return this.#columns.find(column => column.name === name);
  }
}

function columnsFor(participants: Participant[], width: number): Column[] {
  const ordered = participants.toSorted((a, b) => placeOf(a) - placeOf(b));
  const xs = places(ordered.length, width);
  return ordered.map((participant, i) => ({
    ...participant,
    x: xs[i] ?? 0,
    until: xs[i + 1] ?? width + 1,
    lifeline: placeOf(participant) === BROKER_PLACE ? "open" : "none",
    cable: "mended",
  }));
}
