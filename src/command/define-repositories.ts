// The commands about repositories and their worktrees, as they are typed.
import type { Command } from "commander";
import { parseRepository, type RepositoryName } from "./parse.ts";
import type { Act } from "./act.ts";
import {
  jsonFlag,
  type JsonOption,
  type CloneOptions,
  type CreateWorktreeOptions,
  type ListWorktreesOptions,
  type DeleteWorktreeOptions,
} from "./options.ts";

const repository = ["OWNER/NAME", "the repository", parseRepository] as const;
const branch = ["BRANCH", "the branch"] as const;

export function defineRepositoryCommands(program: Command, act: Act): void {
  program.commandsGroup("Repositories and worktrees:");
  program
    .command("clone")
    .summary("clone a repository")
    .description("Clone a repository, and wait until it is there.")
    .argument(...repository)
    .option(
      "--url <URL>",
      "where from: https:// or ssh; by default as FACTORY_REMOTE_TEMPLATE says",
    )
    .option(...jsonFlag)
    .addHelpText(
      "after",
      `
Examples:
  factory clone octocat/Hello-World
  factory clone team/app --url git@git.example.com:team/app.git

Ctrl-C ends the command alone: the clone goes on.`,
    )
    .action(
      act(async (name: RepositoryName, options: CloneOptions) =>
        (await import("./clone.ts")).clone(name, options),
      ),
    );
  program
    .command("sync")
    .summary("fetch a repository from its remote")
    .description("Fetch a repository from its remote.")
    .argument(...repository)
    .option(...jsonFlag)
    .action(
      act(async (name: RepositoryName, options: JsonOption) =>
        (await import("./repositories.ts")).sync(name, options),
      ),
    );
  program
    .command("repos")
    .summary("list the repositories")
    .description("List the repositories.")
    .option(...jsonFlag)
    .action(
      act(async (options: JsonOption) =>
        (await import("./repositories.ts")).listRepositories(options),
      ),
    );
  defineWorktreeCommands(program, act);
}

function defineWorktreeCommands(program: Command, act: Act): void {
  const worktree = program
    .command("worktree")
    .summary("create, list and delete worktrees")
    .description("Create, list and delete worktrees: branches that are checked out.");
  worktree
    .command("create")
    .summary("check out a branch in a folder of its own")
    .description("Check out a branch in a folder of its own.")
    .argument(...repository)
    .argument(...branch)
    .option("--base <REF>", "what a new branch is made from; by default the fresh default branch")
    .option(...jsonFlag)
    .addHelpText(
      "after",
      `
Examples:
  factory worktree create octocat/Hello-World try-it
  cd "$(factory worktree create octocat/Hello-World try-it --json | jq -r .path)"`,
    )
    .action(
      act(async (name: RepositoryName, given: string, options: CreateWorktreeOptions) =>
        (await import("./worktrees.ts")).createWorktree(name, given, options),
      ),
    );
  worktree
    .command("list")
    .summary("list the worktrees")
    .description("List the worktrees.")
    .argument("[OWNER/NAME]", "those of this repository alone", parseRepository)
    .option("--changes", "also look into each: what is changed, and how many commits it has")
    .option(...jsonFlag)
    .action(
      act(async (name: RepositoryName | undefined, options: ListWorktreesOptions) =>
        (await import("./worktrees.ts")).listWorktrees(name, options),
      ),
    );
  worktree
    .command("delete")
    .summary("delete a worktree")
    .description("Delete a worktree; one that holds work that is nowhere else only with --force.")
    .argument(...repository)
    .argument(...branch)
    .option("--force", "delete it even where work is lost")
    .option("--delete-branch", "delete the local branch too")
    .option("--runner <NAME>", "where several runners hold the branch: which one")
    .option(...jsonFlag)
    .action(
      act(async (name: RepositoryName, given: string, options: DeleteWorktreeOptions) =>
        (await import("./worktrees.ts")).deleteWorktree(name, given, options),
      ),
    );
}
