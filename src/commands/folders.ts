import { fileURLToPath } from "node:url";

/** Beside dist/, where this is built to. */
const folder = (name: string) => fileURLToPath(new URL(`../${name}/`, import.meta.url));

export const BIN = folder("bin");
export const LESSONS = folder("examples/lessons");
