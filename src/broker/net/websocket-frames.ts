/** A WebSocket frame's first two bytes (RFC 6455, 5.2). */
const FIN = 0x80;
const OPCODE = 0x0f;
const FIRST_CONTROL_OPCODE = 0x08;
const MASKED = 0x80;
const SHORT_LENGTH = 0x7f;

/** Bytes of the longer lengths that this short one announces. */
const LENGTH_BYTES: Record<number, number> = { 126: 2, 127: 8 };
const MASK_BYTES = 4;

/** Where WebSocket messages begin and end in what a socket brings. ws keeps what it has of one, and does not say how much. */
export class WebSocketFrames {
  #header: number[] = [];
  /** Bytes that are still to come of the present frame. */
  #left = 0;
  /** Frames of the message that is not complete; one that is not complete itself counts. */
  count = 0;

  /** @returns whether a message ended in that piece */
  take(piece: Buffer): boolean {
    let hasEnded = false;
    for (let at = 0; at < piece.length; ) {
      if (this.#left === 0) {
        this.#header.push(piece[at++] ?? 0);
        if (this.#header.length < headerLength(this.#header)) continue;
        this.#left = payloadLength(this.#header);
        this.count += 1;
      }
      const read = Math.min(this.#left, piece.length - at);
      this.#left -= read;
      at += read;
      if (this.#left === 0) hasEnded = this.#endFrame() || hasEnded;
    }
    return hasEnded;
  }

  /** Nothing has come of a further message. */
  get isBetween(): boolean {
    return this.count === 0 && this.#header.length === 0;
  }

  #endFrame(): boolean {
    const [first = 0] = this.#header;
    this.#header = [];
    if ((first & OPCODE) >= FIRST_CONTROL_OPCODE) {
      this.count -= 1; // it may come in the middle of a message
      return false;
    }
    const isLast = (first & FIN) !== 0;
    if (isLast) this.count = 0;
    return isLast;
  }
}

/** As far as the first bytes tell. */
function headerLength([, second]: number[]): number {
  if (second === undefined) return 2;
  return 2 + (LENGTH_BYTES[second & SHORT_LENGTH] ?? 0) + (second & MASKED ? MASK_BYTES : 0);
}

function payloadLength([, second = 0, ...rest]: number[]): number {
  const short = second & SHORT_LENGTH;
  const long = LENGTH_BYTES[short];
  return long === undefined ? short : rest.slice(0, long).reduce((sum, byte) => sum * 256 + byte, 0);
}
