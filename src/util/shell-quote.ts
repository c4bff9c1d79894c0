/**
 * Quotes a word so that sh, cmd and PowerShell read it as one. Double quotes suit all three; single quotes, unknown to
 * cmd, keep `$` and the like from the two others.
 */
export function shellQuote(word: string): string {
  if (/^[\w./:\\@%=+-]+$/.test(word)) return word;
  return /["$`!]/.test(word) ? `'${word.replaceAll("'", String.raw`'\''`)}'` : `"${word}"`;
}
