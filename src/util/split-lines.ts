const LINE_FEED = 0x0a;

/**
 * The lines of a stream of bytes, split at line feeds only: readline also splits at U+2028 and U+2029, which would
 * break a JSON line in two, and turns bytes that are not UTF-8 into others. A last line without its line feed counts
 * too.
 */
export async function* splitLines(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const lines of splitLineBatches(stream)) yield* lines;
}

/** The same, all at once that end in one piece of what comes: to wait for each costs more than to publish it. */
export async function* splitLineBatches(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer[]> {
  let rest: Buffer[] = [];
  for await (const bytes of stream) {
    const lines: Buffer[] = [];
    let from = 0;
    for (let to = bytes.indexOf(LINE_FEED); to >= 0; to = bytes.indexOf(LINE_FEED, from)) {
      const end = bytes.subarray(from, to);
      lines.push(rest.length === 0 ? end : Buffer.concat([...rest, end]));
      rest = [];
      from = to + 1;
    }
    if (from < bytes.length) rest.push(bytes.subarray(from));
    yield lines;
  }
  if (rest.length > 0) yield [Buffer.concat(rest)];
}
