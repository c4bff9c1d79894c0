export const streams = { out: process.stdout, err: process.stderr };

/** Milliseconds without progress after which a stopped command gives up its output: the reader may have stalled. */
const STALL_TIMEOUT_MS = 3000;
let isStopping = false;

/** Makes `flushStreams` give up on a reader that has stalled. */
export const limitFlush = (): void => void (isStopping = true);

/** Resolves with whether stdout and stderr have taken everything. */
export async function flushStreams(): Promise<boolean> {
  const all: boolean[] = [];
  for (const stream of Object.values(streams)) all.push(await flush(stream));
  return all.every(Boolean);
}

function flush(stream: NodeJS.WriteStream): Promise<boolean> {
  return new Promise(resolve => {
    let left = stream.writableLength;
    const timer = setInterval(() => {
      if (isStopping && stream.writableLength === left) resolve(false);
      left = stream.writableLength;
    }, STALL_TIMEOUT_MS);
    stream.write("", () => {
      clearInterval(timer);
      resolve(true);
    });
  });
}
