import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import { type Options, transformSync } from "@swc/core";

const OPTIONS: Options = {
  sourceMaps: "inline",
  swcrc: false,
  jsc: {
    target: "es2023",
    parser: { syntax: "typescript", decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true },
  },
  module: { type: "es6" },
};
const GLOBALS = new URL("globals.ts", import.meta.url).href;

// Node strips types by itself, but does not write the metadata of decorators, from which type-graphql reads types.
registerHooks({
  resolve(specifier, context, nextResolve) {
    if (specifier === "@jest/globals") return { url: GLOBALS, shortCircuit: true };
    const isOurs = context.parentURL !== undefined && isSource(context.parentURL);
    const source = specifier.replace(/^(\..*)\.js$/, "$1.ts");
    return nextResolve(isOurs ? source : specifier, context);
  },
  load(url, context, nextLoad) {
    if (!isSource(url)) return nextLoad(url, context);
    const { source } = nextLoad(url, { ...context, format: "module" });
    const { code } = transformSync(String(source), { ...OPTIONS, filename: fileURLToPath(url) });
    return { format: "module", source: code, shortCircuit: true };
  },
});

function isSource(url: string): boolean {
  const { protocol, pathname } = new URL(url);
  return protocol === "file:" && pathname.endsWith(".ts") && !pathname.includes("/node_modules/");
}
