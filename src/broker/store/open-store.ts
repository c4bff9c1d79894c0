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
    "Restore a copy of the folder, or start with --salvage, which uses what can be read and names the rest.",
  );

const unusable = (folder: string, error: Error) =>
  new UserError(
    "store-unusable",
    `cannot store data in ${folder}: ${error.message}.`,
    "Name a folder that this user may write to, or omit --data to store everything in memory.",
  );

const storeFull = (folder: string, error: Error): BrokerEvent => ({
  event: "warning",
  code: "store-full",
  message: `cannot store more in ${folder}: ${error.message}.`,
  hint: "Free space on that disk. Until then, publishers of messages that must be stored are disconnected without an acknowledgment.",
});

const storeWritable = (folder: string): BrokerEvent => ({
  event: "warning",
  code: "store-room-again",
  message: `there is space in ${folder} again.`,
  hint: "Nothing to do: messages are stored and acknowledged again.",
});

const storeCut = (file: string, bytes: number): BrokerEvent => ({
  event: "warning",
  code: "store-cut",
  message: `the last ${bytes} bytes of ${file} were not completely written when the broker ended, and are dropped.`,
  hint: "Nothing to do: they were not acknowledged, so their publishers send them again.",
});

const leftOutWarning = ({ file, from, to, what }: MissingBatches): BrokerEvent => ({
  event: "warning",
  code: "store-left-out",
  message: `left out of ${file}, ${from === to ? `before byte ${from}` : `bytes ${from} to ${to - 1}`}: ${what}.`,
  hint: `The original file is beside it, as damaged-N-${path.basename(file)}.`,
});

/** Clients that the message lists. */
const MAX_LISTED = 10;

function salvagedWarning(affectedClients: string[], unidentified: number): BrokerEvent {
  const more = affectedClients.length > MAX_LISTED ? ` and ${affectedClients.length - MAX_LISTED} more` : "";
  const who = affectedClients.slice(0, MAX_LISTED).join(", ") + more;
  const whom = who ? `to ${who}` : "though no session with a subscription is left";
  const gone =
    unidentified > 0
      ? ` Lost: ${unidentified} ${unidentified === 1 ? "session" : "sessions"} of unknown clients.`
      : "";
  return {
    event: "warning",
    code: "store-salvaged",
    message: `messages that were acknowledged may be missing, ${whom}.${gone}`,
    hint: "Expect duplicates: messages that a subscriber acknowledged may be sent again, at QoS 2 too.",
  };
}
