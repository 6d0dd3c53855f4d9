// What an agent is told at its start.
import type { ProtocolName } from "../agents/definition.ts";
import {
  asWords,
  buildPrompt,
  followUpPrompt,
  type PromptFacts,
  type PromptIssue,
} from "../agents/prompt.ts";
import type { TalkResume } from "../agents/talk.ts";
import type { IssueHost } from "../config.ts";
import type { PrismaClient } from "../database/client.ts";
import type { WorkerSession } from "../generated/prisma/client.ts";
import { fetchIssue } from "../issues/fetch.ts";
import { describeIssue } from "../issues/quote.ts";
import { step } from "../measurements.ts";
import type { Prepared } from "./prepare.ts";

export interface ComposedPrompt {
  readonly prompt: string;
  /** The conversation that it goes on with; undefined: it begins one. */
  readonly resume: TalkResume | undefined;
  /** What went otherwise than asked for, to be told in the event log; undefined: nothing. */
  readonly note: string | undefined;
}

export interface PromptDependencies {
  readonly prisma: PrismaClient;
  readonly issueHosts: readonly IssueHost[];
  readonly signal: AbortSignal;
}

export interface PromptOptions {
  readonly protocol: ProtocolName;
  /** Whether the agent has the tool `report`. */
  readonly hasReportTool: boolean;
}

/** Linux takes 128 KiB per argument, and an agent's command may hold more than the prompt in one. */
const longestArgument = 120_000;
const mostIssueBytes = 256 * 1024;

/**
 * An agent with the protocol plain gets the bare task: it may be a command line. One that resumes its
 * conversation gets just what is new to it. Any other is told all, with the content of its session's issue
 * where that can be read; the work goes on without.
 * @throws the signal's reason
 */
export async function composePrompt(
  deps: PromptDependencies,
  { session, repository, worktree }: Prepared,
  { protocol, hasReportTool }: PromptOptions,
): Promise<ComposedPrompt> {
  const { task, branch, issue: name, push, agentPush } = session;
  const bare = { prompt: task, resume: undefined, note: undefined };
  if (protocol === "plain") return bare;
  const previous = await findPrevious(deps.prisma, session);
  const facts: PromptFacts = {
    task: previous === undefined ? task : followUpPrompt({ ...previous, text: task }),
    repository: `${repository.owner}/${repository.name}`,
    branch,
    base: worktree.base,
    worktree: worktree.path,
    push,
    agentPush,
    hasReportTool,
  };
  const named = name === null ? facts : { ...facts, issue: { name } };
  const { conversationId, usage } = previous ?? { conversationId: null };
  if (conversationId !== null) {
    const promptIfNew = buildPrompt(named);
    return { ...bare, prompt: asWords(task), resume: { conversationId, promptIfNew, usage } };
  }
  if (name === null) return { ...bare, prompt: buildPrompt(facts) };

  const room = roomFor(protocol, { ...facts, issue: { name } });
  const issue = await step("issue", { facts: { issue: name } }, () => readIssue(deps, name, room));
  return {
    prompt: buildPrompt({ ...facts, issue }),
    resume: undefined,
    note:
      issue.reason === undefined
        ? undefined
        : `the issue ${name} could not be fetched: ${issue.reason}`,
  };
}

interface Previous {
  readonly task: string;
  readonly summary: string | null;
  /** null: it can't be resumed. */
  readonly conversationId: string | null;
  readonly usage: TalkResume["usage"];
}

/** The session that this one follows up; undefined: it begins something new. */
async function findPrevious(
  prisma: PrismaClient,
  { isFollowUp, previousId }: WorkerSession,
): Promise<Previous | undefined> {
  if (!isFollowUp || previousId === null) return undefined;
  const previous = await prisma.workerSession.findUnique({ where: { id: previousId } });
  if (previous === null) return undefined;
  const { task, summary, conversationId } = previous;
  return { task, summary, conversationId, usage: withoutLost(previous) };
}

/** Of the conversation that is resumed: attempts that were lost had one of their own each. */
function withoutLost(session: WorkerSession): TalkResume["usage"] {
  const { inputTokens, outputTokens, costUsd } = session;
  if (inputTokens === null || outputTokens === null) return null;
  return {
    inputTokens: inputTokens - session.lostInputTokens,
    outputTokens: outputTokens - session.lostOutputTokens,
    costUsd: costUsd === null ? null : costUsd - session.lostCostUsd,
  };
}

/** What the issue's content may take, in bytes. */
function roomFor(protocol: ProtocolName, facts: PromptFacts): number {
  // It is told over standard input, which takes any length.
  if (protocol === "acp") return mostIssueBytes;
  const { issue } = facts;
  const rest = buildPrompt(
    issue === undefined ? facts : { ...facts, issue: { ...issue, text: "" } },
  );
  return Math.min(mostIssueBytes, longestArgument - Buffer.byteLength(rest));
}

async function readIssue(
  { issueHosts, signal }: PromptDependencies,
  name: string,
  room: number,
): Promise<PromptIssue> {
  // A name such as #42 says no host: there is nothing to fetch, and nothing has gone wrong.
  if (!/^https?:\/\//i.test(name)) return { name };
  const fetched = await fetchIssue(name, issueHosts, { signal });
  if ("reason" in fetched) return { name, reason: fetched.reason };
  return { name, text: describeIssue(fetched.issue, { total: room }) };
}
