import path from "node:path";

/** Relative to dist/, the folder of the built code. */
const folder = (name: string) => path.join(import.meta.dirname, "..", name);

export const BIN_DIR = folder("bin");
export const LESSONS_DIR = folder("examples/lessons");
