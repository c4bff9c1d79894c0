import type { OutboxMessage, Outbox } from "./outbox.js";
import type { DoneCallback } from "../util/done-callback.js";
import { UserError } from "../util/errors.js";
import { shellQuote } from "../util/shell-quote.js";
import { lockDir } from "../storage/dir-lock.js";
import { type TornTail, Journal } from "../storage/journal.js";
import { COMPACTION_RESERVE_BYTES } from "../storage/disk-reserve.js";
import { OutboxReplay, writeChange, writeMessage, writeOwner } from "./outbox-records.js";

const USER = { command: "pub-lwt", option: "--outbox" };
const MAX_MESSAGES = 10_000;
/** Bytes beyond the live ones that are worth a compaction. */
const MIN_SURPLUS_BYTES = 1024 * 1024;
/** Approximate bytes of a record without its topic and its payload. */
const RECORD_OVERHEAD_BYTES = 16;

const bytesOf = ({ topic, payload }: OutboxMessage) => RECORD_OVERHEAD_BYTES + topic.length + payload.length;

interface Opened {
  outbox: DurableOutbox;
  cut: TornTail | null;
}

/** An outbox in a folder that survives a power cut. One process at a time uses it. */
export class DurableOutbox implements Outbox {
  readonly waiting: Map<number, OutboxMessage>;
  readonly #clientId: string;
  readonly #journal: Journal;
  readonly #unlock: () => void;
  /** Approximate bytes of the waiting messages, if each were written once. */
  #liveBytes = 0;
  #compacting: Promise<void> | null = null;

  private constructor(
    readonly folder: string,
    clientId: string,
    replay: OutboxReplay,
    journal: Journal,
    unlock: () => void,
  ) {
    this.#clientId = clientId;
    this.waiting = replay.waiting;
    this.#journal = journal;
    this.#unlock = unlock;
    for (const message of this.waiting.values()) this.#liveBytes += bytesOf(message);
    if (replay.clientId === null) journal.append(to => writeOwner(to, clientId));
    journal.onWritten = () => {
      if (this.#isCompactionDue) this.#compacting ??= this.#compact();
    };
  }

  /**
   * @throws UserError `store-in-use`, `store-damaged`, `store-format` or `outbox-of-another`
   * @throws Error the system's, if the folder cannot be used
   */
  static async open(folder: string, clientId: string): Promise<Opened> {
    const unlock = await lockDir(folder, USER);
    try {
      return await DurableOutbox.#openLocked(folder, clientId, unlock);
    } catch (error) {
      unlock();
      throw error;
    }
  }

  static async #openLocked(folder: string, clientId: string, unlock: () => void): Promise<Opened> {
    const replay = new OutboxReplay();
    // On a full disk each message is refused with the error.
    const settings = { folder, sync: "disk", option: USER.option, onDiskError: () => {} } as const;
    const { journal, cut } = await Journal.open(settings, records => replay.read(records));
    if (replay.clientId !== null && replay.clientId !== clientId) {
      await journal.close();
      throw otherOwner(folder, replay.clientId, clientId);
    }
    const outbox = new DurableOutbox(folder, clientId, replay, journal, unlock);
    if (!journal.isFull || !outbox.#isCompactionDue) return { outbox, cut };
    await outbox.#compact();
    if (outbox.#isCompactionDue) return { outbox, cut };
    await journal.close(); // opening checks the free space again
    return DurableOutbox.#openLocked(folder, clientId, unlock);
  }

  get isFull(): boolean {
    return this.waiting.size >= MAX_MESSAGES;
  }

  store(message: OutboxMessage, done: DoneCallback): void {
    this.waiting.set(message.packetId, message);
    this.#liveBytes += bytesOf(message);
    this.#journal.offer(
      to => writeMessage(to, message),
      error => {
        if (!error) return done(null);
        this.#remove(message);
        done(outboxFull(this.folder, error));
      },
    );
  }

  release(packetId: number, durable: () => void): void {
    const message = this.waiting.get(packetId);
    if (message) message.released = true;
    this.#journal.append(to => writeChange(to, "released", packetId), durable);
  }

  restart(durable: () => void): void {
    const released = [...this.waiting.values()].filter(message => message.released);
    if (released.length === 0) return durable();
    for (const message of released) {
      message.released = false;
      this.#journal.append(to => writeChange(to, "restarted", message.packetId));
    }
    this.#journal.onAppended(durable);
  }

  acknowledge(packetId: number): void {
    const message = this.waiting.get(packetId);
    if (!message) return;
    this.#remove(message);
    this.#journal.appendSoon(to => writeChange(to, "acknowledged", packetId));
  }

  /** Resolves when all changes so far are on disk. */
  whenDurable(): Promise<void> {
    return new Promise(resolve => this.#journal.append(() => {}, resolve));
  }

  async close(): Promise<void> {
    this.#journal.onWritten = () => {};
    await this.#compacting;
    await this.#journal.close();
    this.#unlock();
  }

  #remove(message: OutboxMessage): void {
    this.waiting.delete(message.packetId);
    this.#liveBytes -= bytesOf(message);
  }

  /** Less than half of the bytes are live. On a full disk every byte counts, but the reserve limits a compaction. */
  get #isCompactionDue(): boolean {
    const { bytes, isFull } = this.#journal;
    return isFull
      ? this.#liveBytes <= COMPACTION_RESERVE_BYTES && bytes > 2 * COMPACTION_RESERVE_BYTES
      : bytes > 2 * this.#liveBytes + MIN_SURPLUS_BYTES;
  }

  /** Appends the waiting messages again, as one atomic batch that replaces the older files. */
  async #compact(): Promise<void> {
    try {
      if (!(await this.#journal.readOldest(() => {}))) return; // now there is one
      const old = this.#journal.files - 1;
      if (await this.#rewrite()) for (let i = 0; i < old; i++) await this.#journal.removeOldest();
    } catch {
      // A file that cannot be removed does no harm.
    } finally {
      this.#compacting = null;
    }
  }

  /** Returns false if the disk has no room: then the old files stay. */
  #rewrite(): Promise<boolean> {
    return new Promise(resolve =>
      this.#journal.attempt(
        to => {
          writeOwner(to, this.#clientId);
          for (const message of this.waiting.values()) writeMessage(to, message);
        },
        error => resolve(error === null),
      ),
    );
  }
}

const otherOwner = (folder: string, owner: string, clientId: string) =>
  new UserError(
    "outbox-of-another",
    `${folder} is the outbox of the client "${owner}", and this one is "${clientId}".`,
    `Send its messages with --client-id ${shellQuote(owner)}, or use another folder: --outbox ANOTHER.`,
  );

const outboxFull = (folder: string, error: Error) =>
  new UserError(
    "outbox-no-room",
    `cannot store a message in ${folder}, so it was not sent: ${error.message}.`,
    "Free space on that disk, then start again with the same --outbox. The stored messages are sent first.",
  );
