import path from "node:path";

/** Beside dist/, where this is built to. */
const folder = (name: string) => path.join(import.meta.dirname, "..", name);

export const BIN_DIR = folder("bin");
export const LESSONS_DIR = folder("examples/lessons");
