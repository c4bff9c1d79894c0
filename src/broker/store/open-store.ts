import path from "node:path";
import { errorEvent, isUserError, UserError } from "../../util/errors.js";
import type { BrokerEvent } from "../../events/events.js";
import { isWritableByOthers, makePrivateDir, writableByOthersWarning } from "../../storage/private-dir.js";
import type { MissingBatches } from "../../storage/repair.js";
import { JournaledStore } from "./journaled/journaled-store.js";
import type { DataSettings } from "./journaled/recovery.js";
import type { EventThrottle } from "../event-throttle.js";
import type { Store } from "./store.js";

/**
 * Opens the store in that folder, which is created if needed. Returns the events about its content, too.
 * @throws UserError if the folder cannot be used, is in use, or is damaged
 */
export async function openStore(
  { folder: given, ...settings }: DataSettings,
  throttle: EventThrottle,
): Promise<{ store: Store; found: BrokerEvent[] }> {
  const folder = path.resolve(given);
  try {
    await makePrivateDir(folder);
    const { store, recovered } = await JournaledStore.open(
      { folder, ...settings },
      {
        onDiskError: error => throttle.emit(error ? storeFull(folder, error) : storeWritable(folder)),
        onDamaged: error => throttle.emit(errorEvent(error)),
      },
    );
    const { cut, leftOut, affectedClients, unidentified, ...counts } = recovered;
    const opened: BrokerEvent = { event: "store-opened", folder, ...counts };
    const found = [
      opened,
      ...leftOut.map(leftOutWarning),
      ...(leftOut.length > 0 ? [salvagedWarning(affectedClients, unidentified)] : []),
      ...((await isWritableByOthers(folder)) ? [writableByOthersWarning(folder)] : []),
    ];
    return { store, found: cut ? [...found, storeCut(cut.file, cut.bytes)] : found };
  } catch (error) {
    if (!isUserError(error)) throw unusable(folder, error as Error);
    throw error.code === "store-damaged" ? withSalvageHint(error) : error;
  }
}

const withSalvageHint = ({ code, message }: UserError) =>
  new UserError(
    code,
    message,
    "Put back a copy of the folder, or start with --salvage: it keeps what can be read, and names the rest.",
  );

const unusable = (folder: string, error: Error) =>
  new UserError(
    "store-unusable",
    `the broker can't keep its data in ${folder}: ${error.message}.`,
    "Give --data a folder that this user may write to, or leave it away to keep everything in memory.",
  );

const storeFull = (folder: string, error: Error): BrokerEvent => ({
  event: "warning",
  code: "store-full",
  message: `nothing more can be kept in ${folder}: ${error.message}.`,
  hint: "Until there is room, who publishes what would have to be kept is disconnected without an acknowledgment.",
});

const storeWritable = (folder: string): BrokerEvent => ({
  event: "warning",
  code: "store-room-again",
  message: `there is room in ${folder} again.`,
  hint: "Messages are kept and acknowledged as before.",
});

const storeCut = (file: string, bytes: number): BrokerEvent => ({
  event: "warning",
  code: "store-cut",
  message: `the last ${bytes} bytes of ${file} are a write that was cut short when the broker died, and are dropped.`,
  hint: "Nothing of it had been acknowledged: those who published it send it again.",
});

const leftOutWarning = ({ file, from, to, what }: MissingBatches): BrokerEvent => ({
  event: "warning",
  code: "store-left-out",
  message: `left out of ${file}, ${from === to ? `before byte ${from}` : `bytes ${from} to ${to - 1}`}: ${what}.`,
  hint: `The file as it was is kept beside it, as damaged-N-${path.basename(file)}.`,
});

/** Clients that the message lists. */
const MAX_LISTED = 10;

function salvagedWarning(affectedClients: string[], unidentified: number): BrokerEvent {
  const more = affectedClients.length > MAX_LISTED ? ` and ${affectedClients.length - MAX_LISTED} more` : "";
  const who = affectedClients.slice(0, MAX_LISTED).join(", ") + more;
  const whom = who ? `to ${who}` : "though no session with a subscription is left";
  const gone =
    unidentified > 0 ? ` Gone: ${unidentified} of the sessions, whose clients are not known any more.` : "";
  return {
    event: "warning",
    code: "store-salvaged",
    message: `messages that were acknowledged may be missing, ${whom}.${gone}`,
    hint: "What had been acknowledged by a subscriber may come again, also at QoS 2.",
  };
}
