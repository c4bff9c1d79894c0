import type { ProtocolVersion, QoS } from "../../events/events.js";
import { stringProblem, topicFilterProblem, topicNameProblem } from "../../protocol/topics.js";

/** Parsers of option values; each throws an Error whose message names what is expected. */

const reject = (what: string): never => {
  throw new Error(what);
};

export const text = (value: string) => {
  const problem = stringProblem(value);
  return problem ? reject(`another value: ${problem}`) : value;
};

export const anything = (value: string) => value;

/** A payload or password in CONNECT, whose length field has two bytes. */
export const shortBytes = (value: string) => {
  const bytes = Buffer.byteLength(value);
  return bytes > 65_535 ? reject(`at most 65 535 bytes, not ${bytes}`) : value;
};

export const number = (low: number, high: number, whole: boolean) => (value: string) => {
  const pattern = whole ? /^\d+$/ : /^\d+(\.\d+)?$/;
  const parsed = Number(value);
  const kind = whole ? "a whole number" : "a number";
  return pattern.test(value) && parsed >= low && parsed <= high
    ? parsed
    : reject(`${kind} from ${low} to ${high}`);
};

/** `N` for the machines 1 to N, or `A-B`. */
export const machines = (maxCount: number, maxNumber: number) => (value: string) => {
  const [, from, to = ""] = /^(?:(\d+)-)?(\d+)$/.exec(value) ?? [];
  const [first, last] = [Number(from ?? 1), Number(to)];
  return to && first >= 1 && last >= first && last - first < maxCount && last <= maxNumber
    ? { first, last, isRange: from !== undefined }
    : reject(`a whole number from 1 to ${maxCount}, or a range of that size, such as 5001-10000`);
};

export const count = number(1, Number.MAX_SAFE_INTEGER, true);

export const oneOf =
  <const Choice extends string>(...choices: Choice[]) =>
  (value: string): Choice =>
    choices.find(choice => choice === value) ?? reject(`one of ${choices.join(", ")}`);

export const qos = (value: string): QoS =>
  value === "0" ? 0 : value === "1" ? 1 : value === "2" ? 2 : reject("0, 1 or 2");

const booleans = new Map([
  ["true", true],
  ["1", true],
  ["false", false],
  ["0", false],
]);
export const flag = (value: string): boolean => booleans.get(value.toLowerCase()) ?? reject("true or false");

/** Mosquitto's names beside the standard's. */
const protocolVersions = new Map<string, ProtocolVersion>([
  ["3.1.1", "3.1.1"],
  ["311", "3.1.1"],
  ["mqttv311", "3.1.1"],
  ["5", "5"],
  ["mqttv5", "5"],
]);
export const protocolVersion = (value: string): ProtocolVersion =>
  protocolVersions.get(value) ?? reject("3.1.1 (also 311, mqttv311) or 5 (also mqttv5)");

/** The origin of a web page; browsers send "null" for a file. */
export const origin = (value: string) =>
  value === "null" || (URL.canParse(value) && new URL(value).origin === value)
    ? value
    : reject("an origin, such as https://class.example or http://127.0.0.1:8000, without a path");

const checkedBy = (problemOf: (value: string) => string | null) => (value: string) => {
  const problem = problemOf(value);
  return problem ? reject(`another value: ${problem}`) : value;
};
export const topicName = checkedBy(topicNameProblem);
export const topicFilter = checkedBy(topicFilterProblem);
export const topicLevel = (value: string) =>
  value.includes("/") ? reject("one topic level, without a slash") : topicName(value);
