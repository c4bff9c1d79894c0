/** Called once, with null or with the error. */
export type DoneCallback = (error: Error | null) => void;
