// node build/server.ts: the server and the command as JavaScript, for the package. Node.js runs no TypeScript
// below node_modules; a checkout runs its sources, and never this.
import { cp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");

/** What the compiler leaves behind: files that the sources find beside them. */
const assets = [
  "git/limited.sh",
  "git/hooks/pre-receive",
  "process/shim.sh",
  "sandbox/inside.pl",
  "sandbox/canary.pl",
  "sandbox/reach.sh",
];

// All but the monitor, whose build is another, and which a server may be handing out just now.
for (const name of await readdir(dist).catch(() => [])) {
  if (name !== "monitor") await rm(join(dist, name), { recursive: true });
}
await execa("tsc", ["-p", "build/tsconfig.server.json"], {
  cwd: root,
  preferLocal: true,
  stdio: "inherit",
});
for (const asset of assets) await cp(join(root, "src", asset), join(dist, asset));
