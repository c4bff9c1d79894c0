/** The few styles that screens use. Colour only adds: every line reads the same without it. */
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
 * Colours in the terminal's own 16: of each meaning's candidates the one whose lowest contrast (WCAG 2.2, 1.4.3) is
 * highest among the palettes of xterm, VS Code, Windows Terminal (Campbell, One Half Light), macOS Terminal (Basic,
 * Pro), Tango, GNOME and Solarized, each on the light or dark backgrounds that it is used on. So no yellow (1.7 to 1 on
 * xterm's white; bright magenta 2.9), no cyan (2.0; bright blue 2.3), the bright red (3.1; red 2.4), and green not
 * bright (2.2; 1.4). No grey either, which Solarized's dark background has for its own; faint is a mixture with any
 * background, but so pale on light Solarized (1.9) that it is for what can be left unread.
 */
export async function themeFor(colour: boolean): Promise<Theme> {
  if (!colour) return plainTheme;
  const { Chalk } = await import("chalk");
  const chalk = new Chalk({ level: 1 });
  // Not chalk's functions themselves, which paint all their arguments: map() gives three.
  return {
    bold: text => chalk.bold(text),
    dim: text => chalk.dim(text),
    good: text => chalk.green(text),
    bad: text => chalk.redBright.bold(text),
    notice: text => chalk.magentaBright(text),
    accent: text => chalk.blueBright(text),
  };
}
