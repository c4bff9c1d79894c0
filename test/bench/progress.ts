/** Shows the progress of a long benchmark. */
export const progress = (text: string): void => {
  process.stderr.write(`${text}\n`);
};
