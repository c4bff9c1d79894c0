/** Bytes of a packet behind its fixed header (contract: the default of --max-packet). */
export const MOST_PACKET_BYTES = 256 * 1024;
/** How long TLS and WebSocket may take to be agreed on, in milliseconds. */
export const HANDSHAKE = 10_000;
/** How long a client may take to read what there is for it when its connection ends, in milliseconds. */
export const FAREWELL = 1000;

/** Messages that one session may have queued (contract: the default of --max-queued). */
export const MOST_QUEUED = 100_000;

/**
 * Messages on their way to one client at once: enough to keep a network busy, and a bound on what a silent one holds.
 * Only so many have packet identifiers.
 */
export const WINDOW = 1000;

/** What the parser reports of a packet past the limit: the cause is told by it. */
export const PACKET_TOO_LARGE = `a packet of over ${MOST_PACKET_BYTES} bytes`;

/** What a publisher's connection ends with when its message can't be stored: the cause is told by it. */
export const NOT_STORED = "the message can't be stored";

/** Levels of a topic name or filter; to match one recurses as deep. */
export const MOST_TOPIC_LEVELS = 1000;
/** What aedes reports of a topic past it. */
export const TOO_MANY_LEVELS = "topic has too many levels";
