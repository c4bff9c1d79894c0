/** The remaining length of a packet (MQTT 3.1.1, 2.2.3): seven bits in each of up to four bytes, the lowest first. */

export const MAX_LENGTH_BYTES = 4;
export const MAX_REMAINING_LENGTH = 2 ** (7 * MAX_LENGTH_BYTES) - 1;

/** Returns the bytes of a packet with this remaining length. */
export const packetSize = (remaining: number): number =>
  1 + (remaining < 0x80 ? 1 : remaining < 0x4000 ? 2 : remaining < 0x20_0000 ? 3 : 4) + remaining;

/** Writes it behind the packet's first byte. @returns where the next field begins */
export function writeRemainingLength(packet: Buffer, remaining: number): number {
  let at = 1;
  let left = remaining;
  do {
    const digit = left & 0x7f;
    left >>>= 7;
    packet[at++] = left > 0 ? digit | 0x80 : digit;
  } while (left > 0);
  return at;
}

/** Returns how many of the bytes from `start` to `end` are the remaining length: 0 if incomplete, 5 if it is too long. */
export function countLengthBytes(bytes: Buffer, start: number, end: number): number {
  for (let i = 0; i < MAX_LENGTH_BYTES; i++) {
    if (start + i >= end) return 0;
    if ((bytes[start + i] as number) < 0x80) return i + 1;
  }
  return MAX_LENGTH_BYTES + 1;
}

/** @param count as `countLengthBytes` returned it */
export function readRemainingLength(bytes: Buffer, start: number, count: number): number {
  let remaining = 0;
  for (let i = 0; i < count; i++) remaining += ((bytes[start + i] as number) & 0x7f) * 0x80 ** i;
  return remaining;
}
