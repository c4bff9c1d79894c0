import path from "node:path";

/** The project's folder. */
export const root = path.join(import.meta.dirname, "..", "..");
export const binDir = path.join(root, "bin");
export const distDir = path.join(root, "dist");
export const lessonsDir = path.join(root, "examples", "lessons");

/** Returns the path of a file beside this one: a module that a test preloads, a certificate, a users file. */
export const supportFile = (...names: string[]): string => path.join(root, "test", "support", ...names);
