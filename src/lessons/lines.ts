import { StringDecoder } from "node:string_decoder";

/**
 * The lines of a stream of bytes, split at line feeds only: readline also splits at U+2028 and U+2029, which would
 * break a JSON line in two. A last line without its line feed counts too.
 */
export async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  for await (const bytes of stream) {
    const lines = (rest + decoder.write(bytes)).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  rest += decoder.end();
  if (rest) yield rest;
}
