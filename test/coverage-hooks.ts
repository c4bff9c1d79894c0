// Loads TypeScript as the build compiles it. tsx minifies, and what it makes of a source has other places than what the
// bundles hold of it: counted together, many a branch would be counted twice.
import { readFileSync } from "node:fs";
import { type LoadHook, type ResolveHook, register } from "node:module";
import { fileURLToPath } from "node:url";
import { isMainThread } from "node:worker_threads";
import { transformSync } from "esbuild";

// coverage.ts, which has no coverage of its own, imports this for `compiled` only.
if (isMainThread && process.env["NODE_V8_COVERAGE"]) register(import.meta.url);

export function compiled(file: string): { code: string; map: string } {
  const target = "node20.19"; // knows `import … with`
  return transformSync(readFileSync(file), { loader: "ts", target, sourcemap: "external", sourcefile: file });
}

export const resolve: ResolveHook = (specifier, context, next) => {
  const inTypeScript = context.parentURL?.endsWith(".ts") && specifier.startsWith(".");
  return next(inTypeScript ? specifier.replace(/\.js$/, ".ts") : specifier, context);
};

export const load: LoadHook = (url, context, next) =>
  url.endsWith(".ts")
    ? { format: "module", source: compiled(fileURLToPath(url)).code, shortCircuit: true }
    : next(url, context);
