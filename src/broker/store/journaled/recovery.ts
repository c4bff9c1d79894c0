import { Journal, type Sync, type TornTail } from "../../../storage/journal.js";
import { type MissingBatches, repair } from "../../../storage/repair.js";
import type { UserError } from "../../../util/errors.js";
import type { StoreRecord } from "./record-codec.js";
import { StoreReplay } from "./replay.js";

export interface DataSettings {
  folder: string;
  /** Acknowledged messages survive a power cut with `disk`, the death of the process with `write`. */
  sync: Sync;
  /** Restore the readable part of a damaged folder. Default false: refuse the folder. */
  salvage?: boolean;
}

/** Failures while the store is in use. */
export interface StoreEvents {
  /** The disk accepts nothing; with null, it accepts writes again. */
  onDiskError(error: Error | null): void;
  /** A file has changed since it was written. The store still has its content in memory. */
  onDamaged(error: UserError): void;
}

/** The content of the folder. */
export interface Recovered {
  sessions: number;
  /** Messages in the queues of these sessions. */
  messages: number;
  retained: number;
  wills: number;
  cut: TornTail | null;
  /** The unreadable batches, with `salvage`. */
  leftOut: MissingBatches[];
  /** Client IDs of the sessions that may have lost messages. */
  affectedClients: string[];
  /** Sessions without the record that names their client. */
  unidentified: number;
}

interface LoadedJournal extends Pick<Recovered, "cut" | "leftOut" | "unidentified"> {
  journal: Journal;
  replay: StoreReplay;
  /** Records to append since others are missing. */
  repairs: StoreRecord[];
}

/** @throws UserError `store-damaged` or `store-format` */
export async function loadJournal(
  settings: DataSettings,
  option: string,
  events: StoreEvents,
): Promise<LoadedJournal> {
  const leftOut = settings.salvage ? await repair(settings.folder, option) : [];
  const replay = new StoreReplay();
  const { journal, cut } = await Journal.open(
    { ...settings, option, onDiskError: error => events.onDiskError(error) },
    records => replay.read(records),
  );
  const { unidentified } = replay;
  const repairs = leftOut.length > 0 ? replay.repair() : [];
  return { journal, replay, repairs, cut, leftOut, unidentified };
}
