// Preloaded into a command: it believes to run on a Node that is too old for it.
Object.defineProperty(process.versions, "node", { value: "18.20.0" });
