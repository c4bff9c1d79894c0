import { isUtf8 } from "node:buffer";

/** MQTT strings carry their length in two bytes [MQTT-1.5.3]. */
const MAX_STRING_BYTES = 65_535;

/** Returns the problem of a string in an MQTT packet, or null. */
export function stringProblem(text: string): string | null {
  if (text.includes("\0")) return "it contains the character U+0000, which MQTT forbids [MQTT-1.5.3-2]";
  if (/\p{Cs}/u.test(text)) return "it contains a lone surrogate [MQTT-1.5.3-1]";
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_STRING_BYTES) return `it is ${bytes} bytes long, and MQTT allows ${MAX_STRING_BYTES}`;
  return null;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Returns the problem of a received string, or null. Its bytes are checked only if a replacement character suggests
 * invalid UTF-8.
 */
export function stringBytesProblem(text: string, bytes: () => Uint8Array): string | null {
  if (text.includes("\0")) return "a string contains the character U+0000 [MQTT-1.5.3-2]";
  if (!text.includes("\ufffd")) return null;
  try {
    utf8.decode(bytes());
    return null;
  } catch {
    return "a string is not UTF-8 [MQTT-1.5.3-1]";
  }
}

/** Returns the problem of a topic name, or null. */
export function topicNameProblem(topic: string): string | null {
  if (topic === "") return "it is empty [MQTT-4.7.3-1]";
  if (/[+#]/.test(topic)) return "+ and # are for subscribing only [MQTT-3.3.2-2]";
  return stringProblem(topic);
}

const [NUL, HASH, PLUS] = [0x00, 0x23, 0x2b];

/**
 * Returns the problem of a topic name's bytes, or null. In a string, invalid UTF-8 looks like the replacement
 * character.
 */
export function topicBytesProblem(bytes: Buffer, start: number, end: number): string | null {
  if (start === end) return "a PUBLISH with an empty topic [MQTT-4.7.3-1]";
  let isAscii = true;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte === NUL) return "a topic with the character U+0000 [MQTT-1.5.3-2]";
    if (byte === HASH || byte === PLUS) return "a PUBLISH to a topic with wildcards [MQTT-3.3.2-2]";
    if (byte >= 0x80) isAscii = false;
  }
  if (isAscii || isUtf8(bytes.subarray(start, end))) return null;
  return "a topic that is not UTF-8 [MQTT-1.5.3-1]";
}

/** Returns the problem of a topic filter, or null. */
export function topicFilterProblem(filter: string): string | null {
  if (filter === "") return "it is empty [MQTT-4.7.3-1]";
  const levels = filter.split("/");
  if (levels.some((level, i) => level.includes("#") && (level !== "#" || i !== levels.length - 1)))
    return "# must be the last level, and alone in it [MQTT-4.7.1-2]";
  if (levels.some(level => level.includes("+") && level !== "+"))
    return "+ must be alone in its level [MQTT-4.7.1-3]";
  return stringProblem(filter);
}

/** Whether a topic name matches a filter (MQTT 3.1.1, 4.7): `#` also matches its parent, wildcards never `$` topics. */
export function topicMatches(filter: string, topic: string): boolean {
  if (filter === topic) return true; // most often
  if (topic.startsWith("$") && /^[+#]/.test(filter)) return false; // [MQTT-4.7.2-1]
  const wanted = filter.split("/");
  const levels = topic.split("/");
  for (const [i, level] of wanted.entries()) {
    if (level === "#") return true;
    if (i >= levels.length || (level !== "+" && level !== levels[i])) return false;
  }
  return wanted.length === levels.length;
}

/**
 * Whether a filter covers another filter or a topic name. Its levels are given split, because they are used for every
 * message.
 */
export function filterCovers(wanted: readonly string[], filter: string): boolean {
  // Wildcards never match what begins with $ [MQTT-4.7.2-1].
  if (filter.startsWith("$") && /^[+#]/.test(wanted[0] ?? "")) return false;
  const levels = filter.split("/");
  for (const [i, level] of wanted.entries()) {
    if (level === "#") return true; // its parent too
    const given = levels[i];
    if (given === undefined || given === "#" || (level !== "+" && level !== given)) return false;
  }
  return wanted.length === levels.length;
}

/** The topics of one machine, as the course names them. */
export const machineTopics = (namespace: string, machine: string) => ({
  readings: `${namespace}/${machine}/SensorData`,
  status: `${namespace}/${machine}/Status`,
  /** A marker on this topic proves that no message came before it. */
  marker: `${namespace}/${machine}/marker`,
});

/** The will topic on the slides. It names no machine. */
export const SLIDE_WILL_TOPIC = "sensors/lastwill";

/** A subscriber on the computer of lwt-broker receives the broker status here, once. */
export const BROKER_STATUS_TOPIC = "$SYS/lwt-broker/status";

/** Topics of the broker itself. */
export const isSysTopic = (topicName: string): boolean =>
  topicName === "$SYS" || topicName.startsWith("$SYS/");

/** The machine that a topic of this namespace belongs to, or null. */
export function machineOf(topic: string, namespace: string): string | null {
  if (!topic.startsWith(`${namespace}/`)) return null;
  const [machine, kind, ...more] = topic.slice(namespace.length + 1).split("/");
  const known = more.length === 0 && (kind === "SensorData" || kind === "Status");
  return known && machine ? machine : null;
}
