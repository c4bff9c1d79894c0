/** The fields of a WebSocket frame's first two bytes (RFC 6455, 5.2). */
const FIN = 0x80;
const OPCODE = 0x0f;
const FIRST_CONTROL_OPCODE = 0x08;
const MASKED = 0x80;
const SHORT_LENGTH = 0x7f;

/** Bytes of the extended length that a short length announces. */
const LENGTH_BYTES: Record<number, number> = { 126: 2, 127: 8 };
const MASK_BYTES = 4;

/** Finds the ends of WebSocket messages in the bytes of a socket. ws does not report how much it buffers. */
export class WebSocketFrames {
  #header: number[] = [];
  /** Missing bytes of the present frame. */
  #left = 0;
  /** Frames of the incomplete message, with an incomplete frame. */
  count = 0;

  /** Returns whether a message ended in that piece. */
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

  /** No byte of a further message has arrived. */
  get isBetween(): boolean {
    return this.count === 0 && this.#header.length === 0;
  }

  #endFrame(): boolean {
    const [first = 0] = this.#header;
    this.#header = [];
    if ((first & OPCODE) >= FIRST_CONTROL_OPCODE) {
      this.count -= 1; // a control frame may be between the frames of a message
      return false;
    }
    const isLast = (first & FIN) !== 0;
    if (isLast) this.count = 0;
    return isLast;
  }
}

/** Returns the length of the header, as far as its first bytes show it. */
function headerLength([, second]: number[]): number {
  if (second === undefined) return 2;
  return 2 + (LENGTH_BYTES[second & SHORT_LENGTH] ?? 0) + (second & MASKED ? MASK_BYTES : 0);
}

function payloadLength([, second = 0, ...rest]: number[]): number {
  const short = second & SHORT_LENGTH;
  const long = LENGTH_BYTES[short];
  return long === undefined ? short : rest.slice(0, long).reduce((sum, byte) => sum * 256 + byte, 0);
}
