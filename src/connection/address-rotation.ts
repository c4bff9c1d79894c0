import type { UserError } from "../util/errors.js";
import type { BrokerAddress } from "../protocol/broker-url.js";

/** An address that could not be connected to. */
export interface FailedAddress {
  address: BrokerAddress;
  error: UserError;
  /** A few words, as they stand in brackets. */
  reason: string;
  /** It would fail the same way again. */
  isFinal: boolean;
}

/**
 * Whose turn it is among the brokers' addresses. A round tries each once, one right after the other; where it begins is
 * the one that was connected to last, for its session is there, or else the first.
 */
export class AddressRotation {
  /** The one to connect to, or that is connected to. */
  current: BrokerAddress;
  /** In this round. Arrays, here and elsewhere in a connection, as they take no memory while they are empty. */
  #tried: BrokerAddress[] = [];
  /** Of each the last failure since a broker has accepted this client. */
  #failed: FailedAddress[] = [];

  constructor(private readonly addresses: readonly [BrokerAddress, ...BrokerAddress[]]) {
    this.current = addresses[0];
  }

  /** How many have still to be tried in this round. */
  get left(): number {
    return this.#candidates().filter(address => !this.#tried.includes(address)).length;
  }

  /** In the order in which they are tried. */
  get failed(): FailedAddress[] {
    return this.addresses.flatMap(address => this.#failureOf(address) ?? []);
  }

  accepted(): void {
    this.#tried = [];
    this.#failed = [];
  }

  /**
   * The current one can't be connected to.
   * @returns whose turn is next, `now` or after a pause, as each has been tried; null: no one's any more
   */
  next(failed: FailedAddress): { address: BrokerAddress; now: boolean } | null {
    this.#failed = [...this.#failed.filter(({ address }) => address !== failed.address), failed];
    this.#tried.push(failed.address);
    const candidates = this.#candidates();
    const untried = candidates.find(address => !this.#tried.includes(address));
    const address = untried ?? candidates[0];
    if (address === undefined) return null;
    if (!untried) this.#tried = [];
    this.current = address;
    return { address, now: untried !== undefined };
  }

  /** Those that may be tried, beginning after the current one, which is the last. */
  #candidates(): BrokerAddress[] {
    const after = this.addresses.indexOf(this.current) + 1;
    const inTurn = [...this.addresses.slice(after), ...this.addresses.slice(0, after)];
    return inTurn.filter(address => !this.#failureOf(address)?.isFinal);
  }

  #failureOf(address: BrokerAddress): FailedAddress | undefined {
    return this.#failed.find(failed => failed.address === address);
  }
}
