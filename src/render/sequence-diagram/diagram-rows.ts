import type { Participant, ProcessEvent, QoS } from "../../events/events.js";
import { displayWidth, truncate, wrap } from "../text-layout.js";
import { escapeText } from "../escape.js";
import { glyphs, lifelineColumns, Row, type Style } from "./diagram-grid.js";
import { type DiagramElement, elementsOf, type DiagramContext, type Emphasis } from "./diagram-elements.js";

interface Column extends Participant {
  x: number;
  /** The end of the room for notes: the next lifeline, or the edge. */
  end: number;
  lifeline: "none" | "open" | "broken";
  link: "cut" | "failed" | "mended";
}

type ElementOf<Draw extends DiagramElement["draw"]> = Extract<DiagramElement, { draw: Draw }>;

/** From left to right, as a message goes. The broker, whose command may be an address, is in the middle. */
const POSITION_BY_COMMAND: Record<string, number> = { "pub-lwt": 0, "slide-code.py": 0, "sub-lwt": 2 };
const BROKER_POSITION = 1;
const positionOf = ({ command }: Participant) =>
  (Object.hasOwn(POSITION_BY_COMMAND, command) ? POSITION_BY_COMMAND[command] : undefined) ?? BROKER_POSITION;
export const BUNDLED_BROKER = "lwt-broker";
export const brokerOf = (participants: Participant[]): Participant | undefined =>
  participants.find(one => positionOf(one) === BROKER_POSITION);
/** The client identifier of the second connection of `pub-lwt --fail`. */
const WITNESS = /-witness$/;
/** Columns besides the label: a dash and a space before it, a space and the head after it. */
const MIN_SHAFT_WIDTH = 4;

/** The lifelines of one lesson, and the rows of its events. Escapes text from the network. */
export class DiagramRows {
  readonly #width: number;
  readonly #styles: Record<Emphasis, Style>;
  readonly #columns: Column[];
  readonly #processes = new Map<string, string>();
  /** By client identifier: the process that used it before the current one. */
  readonly #evicted = new Map<string, string>();
  readonly #qos = new Map<string, QoS>();
  readonly #context: DiagramContext;

  constructor(participants: Participant[], width: number, styles: Record<Emphasis, Style>) {
    this.#width = width;
    this.#styles = styles;
    this.#columns = columnsFor(participants, width);
    this.#context = {
      broker: brokerOf(participants)?.name ?? "",
      clientOf: clientId => this.#processes.get(clientId),
      evictedFrom: clientId => this.#evicted.get(clientId),
      isOpen: process => this.#column(process)?.lifeline === "open",
      qosOf: (process, packetId) => this.#qos.get(`${process} ${packetId}`),
    };
  }

  /** The names, each over its lifeline. */
  header(style: Style): string {
    const row = new Row(this.#width);
    let free = 0;
    for (const { name, x, end } of this.#columns) {
      const text = truncate(escapeText(name), end - free - 1);
      const centred = x - Math.floor(displayWidth(text) / 2);
      const at = Math.max(free, Math.min(centred, this.#width - displayWidth(text)));
      row.write(at, text, style);
      free = at + displayWidth(text) + 1;
    }
    return row.toString();
  }

  /** Most events have no row. */
  rows(event: ProcessEvent): string[] {
    if (event.event === "connecting" && WITNESS.test(event.clientId)) return [];
    if (event.event === "connecting") this.#connecting(event.clientId, event.process);
    if (event.event === "published" && event.packetId !== null)
      this.#qos.set(`${event.process} ${event.packetId}`, event.qos);
    return elementsOf(event, this.#context).flatMap(element => this.#draw(element.draw, element));
  }

  #connecting(clientId: string, process: string): void {
    const before = this.#processes.get(clientId);
    if (before !== undefined && before !== process) this.#evicted.set(clientId, before);
    this.#processes.set(clientId, process);
  }

  #draw<Draw extends DiagramElement["draw"]>(draw: Draw, element: ElementOf<Draw>): string[] {
    const drawings: { [Each in DiagramElement["draw"]]: (element: ElementOf<Each>) => string[] } = {
      open: ({ at }) => this.#setLifeline(at, "open"),
      close: ({ at }) => this.#setLifeline(at, "none"),
      break: ({ at, text }) => this.#break(at, text),
      note: ({ at, text, emphasis }) => this.#note(this.#row(), at, text, emphasis),
      arrow: arrow => this.#arrow(arrow),
      link: ({ at, state }) => this.#link(at, state),
    };
    return drawings[draw](element);
  }

  #setLifeline(at: string, lifeline: Column["lifeline"]): string[] {
    const column = this.#column(at);
    if (column) column.lifeline = lifeline;
    return [];
  }

  #break(at: string, text: string): string[] {
    const column = this.#column(at);
    if (!column) return [];
    column.lifeline = "broken";
    const row = this.#row();
    row.write(column.x, glyphs.cross, this.#styles.bad);
    return this.#note(row, at, text, "bad");
  }

  /** Writes halfway to the broker. */
  #link(at: string, state: Column["link"]): string[] {
    const column = this.#column(at);
    const broker = this.#column(this.#context.broker);
    if (!column || !broker) return [];
    column.link = state;
    const text = {
      cut: `${glyphs.cross} cable cut`,
      failed: `${glyphs.cross} broker fails`,
      mended: "cable mended",
    }[state];
    const row = this.#row();
    const middle = Math.round((column.x + broker.x - displayWidth(text)) / 2);
    row.write(Math.max(0, middle), text, this.#styles[state === "mended" ? "good" : "bad"]);
    return [row.toString()];
  }

  #arrow({ from, to, labels, note, emphasis = "plain" }: ElementOf<"arrow">): string[] {
    const source = this.#column(from);
    const target = this.#column(to);
    if (!source || !target) return [];
    const row = this.#row();
    const isDelivered = source.link !== "cut";
    this.#shaft(
      row,
      source.x,
      target.x,
      isDelivered,
      labels.map(escapeText),
      this.#styles[isDelivered ? emphasis : "bad"],
    );
    return note === undefined ? [row.toString()] : this.#note(row, to, note, emphasis);
  }

  #shaft(
    row: Row,
    source: number,
    target: number,
    isDelivered: boolean,
    labels: string[],
    style: Style,
  ): void {
    const { dash, cross } = glyphs;
    const { left, right } = isDelivered ? glyphs : { left: cross, right: cross };
    const inner = Math.abs(target - source) - 1;
    const room = inner - MIN_SHAFT_WIDTH;
    const label = labels.find(text => displayWidth(text) <= room) ?? truncate(labels.at(-1) ?? "", room);
    const start = displayWidth(label) < room ? dash.repeat(2) : dash;
    const rest = dash.repeat(Math.max(0, inner - start.length - displayWidth(label) - 3));
    if (source < target) row.write(source + 1, `${start} ${label} ${rest}${right}`, style);
    else row.write(target + 1, `${left}${rest} ${label} ${start}`, style);
  }

  /** Text to the right of a lifeline, on this row and more rows if it takes them. */
  #note(first: Row, at: string, text: string, emphasis: Emphasis = "plain"): string[] {
    const column = this.#column(at);
    if (!column) return [];
    const start = column.x + 2;
    const width = column.end - start - 1;
    return wrap(escapeText(text), width, "")
      .split("\n")
      .map((line, i) => {
        const row = i === 0 ? first : this.#row();
        row.write(start, truncate(line, width), this.#styles[emphasis]);
        return row.toString();
      });
  }

  /** A row with only the lifelines. */
  #row(): Row {
    const row = new Row(this.#width);
    const { line, broken } = glyphs;
    const drawn = { none: " ", open: line, broken };
    for (const { x, lifeline } of this.#columns) row.write(x, drawn[lifeline]);
    return row;
  }

  #column(name: string): Column | undefined {
    return this.#columns.find(column => column.name === name);
  }
}

function columnsFor(participants: Participant[], width: number): Column[] {
  const ordered = participants.toSorted((a, b) => positionOf(a) - positionOf(b));
  const xs = lifelineColumns(ordered.length, width);
  return ordered.map((participant, i) => ({
    ...participant,
    x: xs[i] ?? 0,
    end: xs[i + 1] ?? width + 1,
    lifeline: positionOf(participant) === BROKER_POSITION ? "open" : "none",
    link: "mended",
  }));
}
