import { Chalk } from "chalk";

/** The few styles that screens use. Colour only adds: every line reads the same without it. */
export interface Paint {
  bold: (text: string) => string;
  dim: (text: string) => string;
  good: (text: string) => string;
  bad: (text: string) => string;
  notice: (text: string) => string;
  accent: (text: string) => string;
}

const plainText = (text: string) => text;

export const noPaint: Paint = {
  bold: plainText,
  dim: plainText,
  good: plainText,
  bad: plainText,
  notice: plainText,
  accent: plainText,
};

/** Colours in the terminal's own 16, which a light and a dark background both show. */
export function paintFor(colour: boolean): Paint {
  if (!colour) return noPaint;
  const chalk = new Chalk({ level: 1 });
  return {
    bold: chalk.bold,
    dim: chalk.dim,
    good: chalk.green,
    bad: chalk.red.bold,
    notice: chalk.yellow,
    accent: chalk.cyan,
  };
}
