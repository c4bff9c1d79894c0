import type { BrokerStatus } from "../events/events.js";
import { displayWidth, truncate, pad } from "./text-layout.js";
import { escapeText } from "./escape.js";

interface Table {
  title: string;
  total: number;
  head: string[];
  rows: string[][];
}

/** So that the other columns stay visible. */
const MAX_CELL_WIDTH = 30;

const yesNo = (yes: boolean) => (yes ? "yes" : "no");

const tablesOf = ({ clients, sessions, wills, retained, totals }: BrokerStatus): Table[] => [
  {
    title: "clients connected",
    total: totals.clients,
    head: ["client", "session", "keep alive", "from"],
    rows: clients.map(({ clientId, cleanSession, keepAlive, address }) => [
      clientId,
      cleanSession ? "clean" : "stored",
      `${keepAlive} s`,
      address,
    ]),
  },
  {
    title: "stored sessions",
    total: totals.sessions,
    head: ["client", "connected", "subscriptions", "queued", "in flight"],
    rows: sessions.map(({ clientId, connected, subscriptions, queued, inFlight }) => [
      clientId,
      yesNo(connected),
      String(subscriptions),
      String(queued),
      String(inFlight),
    ]),
  },
  {
    title: "wills stored",
    total: totals.wills,
    head: ["client", "QoS", "retain", "topic"],
    rows: wills.map(({ clientId, qos, retain, topic }) => [clientId, String(qos), yesNo(retain), topic]),
  },
  {
    title: "retained messages",
    total: totals.retained,
    head: ["topic", "QoS", "bytes"],
    rows: retained.map(({ topic, qos, bytes }) => [topic, String(qos), String(bytes)]),
  },
];

export const statusText = (status: BrokerStatus, width: number): string =>
  tablesOf(status)
    .map(table => tableText(table, width))
    .join("\n\n");

function tableText({ title, total, head, rows }: Table, width: number): string {
  if (total === 0) return `${title}: none`;
  const shown = [head, ...rows.map(row => row.map(cell => truncate(escapeText(cell), MAX_CELL_WIDTH)))];
  const widths = head.map((_, i) => Math.max(...shown.map(row => displayWidth(row[i] ?? ""))));
  const lines = shown.map(row =>
    truncate(`  ${row.map((cell, i) => pad(cell, widths[i] ?? 0)).join("  ")}`.trimEnd(), width),
  );
  const more = total > rows.length ? [`  … and ${total - rows.length} more`] : [];
  return [`${title}: ${total}`, ...lines, ...more].join("\n");
}
