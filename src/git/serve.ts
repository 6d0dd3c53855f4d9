// The remote as the clone knows it, served to the git of a worker over HTTP (gitprotocol-http(5)): so that git asks no
// remote itself, and needs none of its credentials.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { execa } from "execa";
import { FactoryError } from "../errors.ts";
import { quoteValue } from "./control.ts";
import { readCredentialVariables } from "./credentials.ts";
import { GitFailure } from "./failure.ts";
import { isThere, readIfThere, replaceFile } from "./files.ts";
import { createGate, type Gate } from "./lock.ts";
import { readRemoteRefFile } from "./own-repository.ts";
import { limited } from "./spawn.ts";
import type { WorktreeContext } from "./worktree-git.ts";

export interface ServeInput {
  /** Absolute; of the asking worker alone, and out of its reach. A small repository is made there. */
  readonly view: string;
  /** The list of refs, or what a client does by it. */
  readonly part: "refs" | "exchange";
  /** The client's Git-Protocol header, such as version=2; empty: the first version. */
  readonly protocol: string;
  /** What the client sent, not compressed. */
  readonly body: Readable;
  /** Called when there is something to answer, with where that goes. */
  readonly answer: () => Writable;
  readonly signal: AbortSignal;
}

export interface ServePushInput extends ServeInput {
  /** The one branch that is taken, forward alone. */
  readonly branch: string;
  /** Whether the remote must not have it yet, unless it stands where the client's does. */
  readonly isNew: boolean;
}

/** Starts the git that serves. Packing takes a processor each, so only some run at once. */
export interface GitServing {
  readonly gate: Gate;
  readonly environment: Readonly<Record<string, string>>;
}

const servedAtOnce = 8;
const ofOneWorker = 2;
const queueTimeoutMs = 5 * 60_000;
const serveTimeoutMs = 60 * 60_000;
const killGraceMs = 5_000;
/** What it says beside its answer, which has its errors too. */
const maxWordBytes = 1024 * 1024;

export function createServing(environment: Readonly<Record<string, string>>): GitServing {
  return { gate: createGate(servedAtOnce, queueTimeoutMs), environment };
}

/**
 * Fetches from the remote first where the list of refs is asked for.
 * @throws FactoryError as `fetch`, REPOSITORY_NOT_READY where refs were never asked for, SERVICE_UNAVAILABLE;
 *   GitFailure; the signal's reason
 */
export async function serveFetch(
  serving: GitServing,
  context: WorktreeContext,
  input: ServeInput,
): Promise<void> {
  await prepareView(context, input, configuration);
  await run(serving, input, { service: "upload-pack", options: ["--strict"], environment: {} });
}

/**
 * Takes the branch where the remote takes it: what that refuses is refused here, in its words.
 * @returns where the remote has the branch now; undefined: nothing was pushed
 * @throws as `serveFetch`
 */
export async function servePush(
  serving: GitServing,
  context: WorktreeContext,
  input: ServePushInput,
): Promise<string | undefined> {
  const { view, part, branch, isNew } = input;
  const { layout } = context;
  const ref = `refs/heads/${branch}`;
  await prepareView(
    context,
    input,
    // Its remote, and how that is spoken to, but for its hooks.
    `[include]
	path = ${quoteValue(join(layout.repository, "config"))}
${configuration}[core]
	hooksPath = ${quoteValue(hooks)}
`,
  );
  await run(serving, input, {
    service: "receive-pack",
    options: [],
    environment: {
      ...(await readCredentialVariables(layout.credentials)),
      FACTORY_PUSH_REF: ref,
      FACTORY_PUSH_LEASE: isNew ? `--force-with-lease=${ref}:` : "--no-force-with-lease",
    },
  });
  return part === "refs" ? undefined : (await readIfThere(join(view, ref)))?.trim();
}

const hooks = join(import.meta.dirname, "hooks");

interface Served {
  readonly service: "upload-pack" | "receive-pack";
  readonly options: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

async function run(
  { gate, environment }: GitServing,
  { view, part, protocol, body, answer: begin, signal }: ServeInput,
  served: Served,
): Promise<void> {
  const { service } = served;
  const options = [...served.options, ...(part === "refs" ? ["--advertise-refs"] : [])];
  await gate.run(
    async () => {
      // With a limit to what it may fill of the memory: a worker chooses what it reads.
      const git = execa(limited, ["git", service, "--stateless-rpc", ...options, view], {
        extendEnv: false,
        env: { ...environment, ...served.environment, GIT_PROTOCOL: protocol },
        encoding: "buffer",
        buffer: { stdout: false },
        maxBuffer: maxWordBytes,
        cancelSignal: signal,
        timeout: serveTimeoutMs,
        forceKillAfterDelay: killGraceMs,
        reject: false,
      });
      const answer = begin();
      if (part === "refs" && !isSecondVersion(protocol)) answer.write(announcementOf[service]);
      const [, , { failed, exitCode, stderr }] = await Promise.all([
        // It needn't read all of it: how it ends says whether that was right.
        part === "refs" ? git.stdin.end() : pipeline(body, git.stdin).catch(() => undefined),
        pipeline(git.stdout, answer),
        git,
      ]);
      signal.throwIfAborted();
      if (!failed) return;
      throw new GitFailure(service, exitCode ?? null, Buffer.from(stderr).toString());
    },
    { signal, shares: [{ key: view, most: ofOneWorker }] },
  );
}

/** Before the list of refs, in the first version of the protocol: one line, with its length, and an end. */
const announcementOf = {
  "upload-pack": "001e# service=git-upload-pack\n0000",
  "receive-pack": "001f# service=git-receive-pack\n0000",
};

function isSecondVersion(protocol: string): boolean {
  return protocol.split(":").includes("version=2");
}

/** @throws FactoryError */
async function prepareView(
  context: WorktreeContext,
  { view, part, signal }: ServeInput,
  text: string,
): Promise<void> {
  if (part === "refs") {
    await context.fetch(signal);
    await writeView(context, view, text, signal);
  } else if (!(await isThere(join(view, "packed-refs")))) {
    throw new FactoryError("REPOSITORY_NOT_READY", "no list of refs was asked for: try again");
  }
}

/** The remote's branches and tags, with the objects of the clone. */
async function writeView(
  context: WorktreeContext,
  view: string,
  text: string,
  signal: AbortSignal,
): Promise<void> {
  const { repository } = context.layout;
  const refs = await readRemoteRefFile(context, signal);
  // What was pushed before is among the remote's now.
  await rm(join(view, "refs"), { recursive: true, force: true });
  for (const name of ["objects/info", "refs"]) {
    await mkdir(join(view, name), { recursive: true, mode: 0o700 });
  }
  const [head, shallow] = await Promise.all(
    ["HEAD", "shallow"].map((name) => readIfThere(join(repository, name))),
  );
  await writeFile(join(view, "config"), text);
  await writeFile(join(view, "objects/info/alternates"), `${join(repository, "objects")}\n`);
  if (shallow === undefined) await rm(join(view, "shallow"), { force: true });
  else await replaceFile(join(view, "shallow"), shallow);
  await replaceFile(join(view, "HEAD"), head ?? "ref: refs/heads/main\n");
  await replaceFile(join(view, "packed-refs"), refs);
}

const configuration = `[uploadpack]
	; Clients may leave out what they have no use for, as at the usual hosts.
	allowFilter = true
[receive]
	fsckObjects = true
	denyDeletes = true
	denyNonFastForwards = true
	maxInputSize = 2g
[gc]
	auto = 0
[core]
	repositoryformatversion = 0
	bare = true
`;
