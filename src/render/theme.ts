/** Colour only adds: every line reads the same without it. */
export interface Theme {
  bold: (text: string) => string;
  dim: (text: string) => string;
  good: (text: string) => string;
  bad: (text: string) => string;
  notice: (text: string) => string;
  accent: (text: string) => string;
}

const plainText = (text: string) => text;

export const plainTheme: Theme = {
  bold: plainText,
  dim: plainText,
  good: plainText,
  bad: plainText,
  notice: plainText,
  accent: plainText,
};

/**
 * Colours of the terminal's own 16. For each meaning, the colour has the highest worst-case contrast (WCAG 2.2, 1.4.3)
 * among the palettes of xterm, VS Code, Windows Terminal (Campbell, One Half Light), macOS Terminal (Basic, Pro),
 * Tango, GNOME and Solarized, on their light and dark backgrounds. Worst cases: bright magenta 2.9 (yellow: 1.7 to 1 on
 * xterm's white), bright blue 2.3 (cyan 2.0), bright red 3.1 (red 2.4), green 2.2 (bright green 1.4). Grey is the dark
 * background of Solarized. Faint mixes with any background, but only has 1.9 on light Solarized: for optional text.
 */
export async function themeFor(colour: boolean): Promise<Theme> {
  if (!colour) return plainTheme;
  const { Chalk } = await import("chalk");
  const chalk = new Chalk({ level: 1 });
  // Wrapped, because chalk's functions paint all their arguments, and map() passes three.
  return {
    bold: text => chalk.bold(text),
    dim: text => chalk.dim(text),
    good: text => chalk.green(text),
    bad: text => chalk.redBright.bold(text),
    notice: text => chalk.magentaBright(text),
    accent: text => chalk.blueBright(text),
  };
}
