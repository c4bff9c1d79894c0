import type { ApplicationMessage } from "../../message.js";
import type { Session } from "../../session/session.js";

/** Approximate bytes of a record without its texts and its payload. */
export const RECORD_OVERHEAD_BYTES = 24;

/** Returns the approximate bytes of a message on disk. */
export const bytesOf = ({ topic, payload }: ApplicationMessage): number =>
  RECORD_OVERHEAD_BYTES + topic.length + payload.length;

/** Returns the approximate bytes of a session on disk, without its will. */
export function sessionBytes({ clientId, subscriptions, queue }: Session): number {
  let bytes = RECORD_OVERHEAD_BYTES + clientId.length;
  for (const topicFilter of subscriptions.keys()) bytes += RECORD_OVERHEAD_BYTES + topicFilter.length;
  for (const queued of queue.values()) bytes += queued.diskBytes;
  return bytes;
}
