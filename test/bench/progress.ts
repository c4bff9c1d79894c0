/** What a long benchmark is at, for who waits for it. */
export const progress = (text: string): void => {
  process.stderr.write(`${text}\n`);
};
