// One change to a worktree in a process of its own, so that it can be killed in the middle of it.
import { createGit } from "../../../src/git/git.ts";

const [home = "", host = "", name = "", branch = "", commit = ""] = process.argv.slice(2);
const git = createGit({ home, environment: process.env, protocols: ["http"] });
const repository = git.openRepository({ host, owner: "acme", name });
if (commit === "") await repository.removeWorktree({ branch, force: true, deleteBranch: true });
else await repository.addWorktree({ branch, start: { kind: "commit", commit } });
