import type { Viewer } from "../access/viewer.ts";
import type { Tool } from "./tool.ts";
import { dispatchWorker } from "./tools/dispatch.ts";
import { getWorker } from "./tools/get.ts";
import { listWorkers } from "./tools/list.ts";
import {
  cloneRepository,
  createWorktree,
  deleteWorktree,
  syncRepository,
} from "./tools/repositories.ts";
import { answerPermission, cancelWorker, report, sendMessage } from "./tools/steer.ts";
import { waitForWorkers } from "./tools/wait.ts";

/** In the order in which an agent needs them. */
const tools: readonly Tool[] = [
  report,
  dispatchWorker,
  waitForWorkers,
  listWorkers,
  getWorker,
  sendMessage,
  answerPermission,
  cancelWorker,
  cloneRepository,
  syncRepository,
  createWorktree,
  deleteWorktree,
];

export function toolsFor({ kind }: Viewer): readonly Tool[] {
  return tools.filter(({ audience }) => audience === "all" || audience === kind);
}
