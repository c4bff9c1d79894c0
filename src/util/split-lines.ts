const LINE_FEED = 0x0a;

/**
 * Splits a stream of bytes at line feeds only. readline also splits at U+2028 and U+2029, inside JSON lines, and
 * changes bytes that are not UTF-8. The last line may lack its line feed.
 */
export async function* splitLines(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const lines of splitLineBatches(stream)) yield* lines;
}

/** Yields together all lines that end in one chunk: a wait for each would cost more than publishing it. */
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
