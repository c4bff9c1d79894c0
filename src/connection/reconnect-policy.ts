import type { UserError } from "../util/errors.js";
import type { BrokerAddress } from "../protocol/broker-url.js";
import { type FailureInfo, isBrokersFault, type ReasonInfo } from "./failure-diagnosis.js";
import {
  evicted,
  lostRepeatedly,
  reconnectFailed,
  allBrokersFailed,
  takenOver,
  closedByBroker,
} from "./connection-errors.js";
import type { FailedAddress } from "./address-rotation.js";

export interface ReconnectSettings {
  clientId: string;
  /** Milliseconds to go on trying for the first connection. */
  connectTimeout: number;
  /** Milliseconds to go on trying after a connection was lost. */
  reconnectTimeout: number;
}

/** A connection that ends sooner than this may have been taken over. */
const SOON = 10_000;
/** MQTT 5: session taken over. */
const TAKEN_OVER = 0x8e;
const EVICTIONS = 3;
const EVICTIONS_WITHIN = 30_000;
/** Seconds: 0.5, 1, 2, 4 … up to 15. */
const FIRST_DELAY = 0.5;
const LONGEST_DELAY = 15;

export interface ReconnectDelay {
  attempt: number;
  inSeconds: number;
  secondsLeft: number;
}

/** Decides when to try again after a connection has closed, or why not. Times are milliseconds since 1970. */
export class ReconnectPolicy {
  #deadline: number;
  #attempt = 0;
  #acceptedAt: number | null = null;
  #rounds = 0;
  #everAccepted = false;
  #evictions: { address: BrokerAddress; at: number; said: ReasonInfo | null }[] = [];

  constructor(
    private readonly settings: ReconnectSettings,
    now: number,
  ) {
    this.#deadline = now + settings.connectTimeout;
  }

  accepted(now: number): void {
    this.#acceptedAt = now;
    this.#everAccepted = true;
  }

  /** Milliseconds left for attempts. */
  left(now: number): number {
    return Math.max(0, this.#deadline - now);
  }

  /**
   * @param failed the brokers that failed since the last success @param goesOn another address is tried without a
   * pause
   */
  closed(
    address: BrokerAddress,
    failure: FailureInfo,
    now: number,
    { failed, goesOn }: { failed: FailedAddress[]; goesOn: boolean },
  ): ReconnectDelay | UserError {
    if (this.#acceptedAt !== null && this.#lost(address, now - this.#acceptedAt, failure.said ?? null, now))
      return isBrokersFault(failure) ? lostRepeatedly(address, failure) : this.#evicted(failure.said ?? null);
    if (this.left(now) === 0 && !goesOn)
      return this.#everAccepted ? reconnectFailed(address, failure, failed) : allBrokersFailed(failed);
    const inSeconds = goesOn ? 0 : this.#pause(now);
    this.#attempt += 1;
    return {
      attempt: this.#attempt,
      inSeconds: Math.round(inSeconds * 1000) / 1000,
      secondsLeft: Math.round(this.left(now) / 1000),
    };
  }

  /** Seconds. */
  #pause(now: number): number {
    const full = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.#rounds);
    this.#rounds += 1;
    // Up to half of it at random, so that a class does not reconnect all at once.
    return Math.min(full * (0.5 + Math.random() / 2), this.left(now) / 1000);
  }

  /** Returns whether two clients probably take over the session from each other. */
  #lost(address: BrokerAddress, lasted: number, said: ReasonInfo | null, now: number): boolean {
    this.#acceptedAt = null;
    this.#deadline = now + this.settings.reconnectTimeout;
    if (lasted > SOON) this.#attempt = this.#rounds = 0;
    if (lasted > SOON && said?.code !== TAKEN_OVER) return false;
    // Counts this broker alone: several brokers that end one after the other are no takeover.
    const before = this.#evictions.filter(
      each => each.address === address && now - each.at < EVICTIONS_WITHIN,
    );
    this.#evictions = [...before, { address, at: now, said }];
    return this.#evictions.length >= EVICTIONS;
  }

  #evicted(said: ReasonInfo | null): UserError {
    if (said && this.#evictions.every(each => each.said?.code === TAKEN_OVER))
      return takenOver(this.settings.clientId, said);
    return said && said.code !== TAKEN_OVER ? closedByBroker(said) : evicted(this.settings.clientId);
  }
}
