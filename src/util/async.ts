/** A promise with the functions that settle it. A rejection that nobody awaits is no error. */
export interface Deferred {
  promise: Promise<void>;
  resolve(): void;
  reject(error: Error): void;
  isResolved: boolean;
}

export function deferred(): Deferred {
  let resolvePromise = () => {};
  let reject = (_error: Error) => {};
  const promise = new Promise<void>((onResolve, onReject) => {
    resolvePromise = onResolve;
    reject = onReject;
  });
  promise.catch(() => {});
  const all: Deferred = { promise, resolve, reject, isResolved: false };
  function resolve() {
    all.isResolved = true;
    resolvePromise();
  }
  return all;
}

/** Resolves with the first promise, or after the milliseconds. */
export async function withTimeout(timeoutMs: number, promises: Promise<unknown>[]): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise(resolve => (timer = setTimeout(resolve, timeoutMs)));
  await Promise.race([...promises, timeout]);
  clearTimeout(timer);
}
