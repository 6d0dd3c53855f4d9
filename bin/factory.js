#!/usr/bin/env -S node --max-semi-space-size=8
// The `factory` command. Its first line keeps V8's young generation small, which saves some 15 MB at rest and
// costs no time that can be measured.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

// A checkout runs its sources as they are, whatever lies in dist; the package has but dist.
const source = new URL("../src/main.ts", import.meta.url);
const isCheckout = existsSync(source);
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 15)) {
  const remedy = isCheckout
    ? `run ${fileURLToPath(new URL("../factory", import.meta.url))} instead, which uses the one that npm ci has installed`
    : "install a later one";
  process.stderr.write(
    `factory: needs Node.js 22.15 or later, and this is ${process.version}: ${remedy}\n`,
  );
  process.exit(1);
}
await import(isCheckout ? source.href : new URL("../dist/main.js", import.meta.url).href);
