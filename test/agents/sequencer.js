// What is installed and run soonest comes first, so that a run of limited time sees most.
import { basename } from "node:path";

const order = ["gemini", "opencode", "claude", "codex"];

export default class SoonestFirst {
  sort(tests) {
    const place = ({ path }) => order.indexOf(basename(path, ".test.ts"));
    return [...tests].sort((one, other) => place(one) - place(other));
  }

  /** Where jest's own keeps how long each took. */
  cacheResults() {}
}
