// `npm run deploy:check` tells what is wrong with what servers are deployed by, without a cluster, Docker and systemd.
import { fileURLToPath } from "node:url";
import { checkManifests } from "./check.ts";
import { listComposeMistakes, listOverrideMistakes } from "./compose.ts";
import { listImageMistakes } from "./image.ts";
import { checkUnits } from "./units.ts";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const mistakes = await Promise.all([
  checkManifests(at("../kubernetes/")),
  listImageMistakes(at("../../"), at("../Dockerfile")),
  listComposeMistakes(at("../compose.yaml")),
  listOverrideMistakes(at("../compose.sandbox.yaml")),
  checkUnits(at("../systemd/")),
]);
for (const mistake of mistakes.flat()) console.error(mistake);
if (mistakes.flat().length > 0) process.exitCode = 1;
