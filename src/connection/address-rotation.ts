import type { UserError } from "../util/errors.js";
import type { BrokerAddress } from "../protocol/broker-url.js";

/** An address that could not be connected to. */
export interface FailedAddress {
  address: BrokerAddress;
  error: UserError;
  /** A few words, for brackets. */
  reason: string;
  isFinal: boolean;
}

/**
 * Chooses the next address. A round tries each address once. It begins with the address that was connected last,
 * because the session is there, or with the first.
 */
export class AddressRotation {
  current: BrokerAddress;
  /** Tried in this round. Empty arrays take no memory, here and elsewhere in a connection. */
  #tried: BrokerAddress[] = [];
  /** The last failure of each address since a broker has accepted this client. */
  #failed: FailedAddress[] = [];

  constructor(private readonly addresses: readonly [BrokerAddress, ...BrokerAddress[]]) {
    this.current = addresses[0];
  }

  /** The number of addresses that this round has not tried. */
  get left(): number {
    return this.#candidates().filter(address => !this.#tried.includes(address)).length;
  }

  get failed(): FailedAddress[] {
    return this.addresses.flatMap(address => this.#failureOf(address) ?? []);
  }

  accepted(): void {
    this.#tried = [];
    this.#failed = [];
  }

  /**
   * Records that the current address failed. Returns the next one, to be tried now or, after a full round, after a
   * pause; null if each failure is final.
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

  /** The addresses that may be tried, from the one after the current on. */
  #candidates(): BrokerAddress[] {
    const after = this.addresses.indexOf(this.current) + 1;
    const inTurn = [...this.addresses.slice(after), ...this.addresses.slice(0, after)];
    return inTurn.filter(address => !this.#failureOf(address)?.isFinal);
  }

  #failureOf(address: BrokerAddress): FailedAddress | undefined {
    return this.#failed.find(failed => failed.address === address);
  }
}
