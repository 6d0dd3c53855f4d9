// `npm run deploy:check` tells what is wrong with the manifests for Kubernetes, without a cluster.
import { checkManifests } from "./check.ts";

const mistakes = await checkManifests(new URL("../kubernetes/", import.meta.url).pathname);
for (const mistake of mistakes) console.error(mistake);
if (mistakes.length > 0) process.exitCode = 1;
