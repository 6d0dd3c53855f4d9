// The remote as the clone knows it, served to the git of a worker over HTTP (gitprotocol-http(5)): so that git asks no
// remote itself, and needs none of its credentials.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { execa } from "execa";
import { FactoryError } from "../errors.ts";
import { GitFailure } from "./failure.ts";
import { isThere, readIfThere, replaceFile } from "./files.ts";
import { createGate, type Gate } from "./lock.ts";
import { readRemoteRefFile } from "./own-repository.ts";
import type { WorktreeContext } from "./worktree-git.ts";

export interface ServeInput {
  /** Absolute; of the asking worker alone, and out of its reach. A small repository is made there. */
  readonly view: string;
  /** The list of refs, or what a client asks for by it. */
  readonly part: "refs" | "pack";
  /** The client's Git-Protocol header, such as version=2; empty: the first version. */
  readonly protocol: string;
  /** What the client sent, not compressed. */
  readonly body: Readable;
  /** Called when there is something to answer, with where that goes. */
  readonly answer: () => Writable;
  readonly signal: AbortSignal;
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
  { gate, environment }: GitServing,
  context: WorktreeContext,
  input: ServeInput,
): Promise<void> {
  const { view, part, protocol, signal } = input;
  if (part === "refs") {
    await context.fetch(signal);
    await writeView(context, view, signal);
  } else if (!(await isThere(join(view, "packed-refs")))) {
    throw new FactoryError("REPOSITORY_NOT_READY", "no list of refs was asked for: fetch again");
  }
  await gate.run(
    async () => {
      const git = execa(
        "git",
        ["upload-pack", "--strict", "--stateless-rpc", ...optionsOf[part], view],
        {
          extendEnv: false,
          env: { ...environment, GIT_PROTOCOL: protocol },
          encoding: "buffer",
          buffer: { stdout: false },
          maxBuffer: maxWordBytes,
          cancelSignal: signal,
          timeout: serveTimeoutMs,
          forceKillAfterDelay: killGraceMs,
          reject: false,
        },
      );
      const answer = input.answer();
      if (part === "refs" && !isSecondVersion(protocol)) answer.write(announcement);
      const [, , { failed, exitCode, stderr }] = await Promise.all([
        // It needn't read all of it: how it ends says whether that was right.
        part === "pack" ? pipeline(input.body, git.stdin).catch(() => undefined) : git.stdin.end(),
        pipeline(git.stdout, answer),
        git,
      ]);
      signal.throwIfAborted();
      if (!failed) return;
      throw new GitFailure("upload-pack", exitCode ?? null, Buffer.from(stderr).toString());
    },
    { signal, shares: [{ key: view, most: ofOneWorker }] },
  );
}

const optionsOf = { refs: ["--advertise-refs"], pack: [] };

/** Before the list of refs, in the first version of the protocol: one line, with its length, and an end. */
const announcement = "001e# service=git-upload-pack\n0000";

function isSecondVersion(protocol: string): boolean {
  return protocol.split(":").includes("version=2");
}

/** The remote's branches and tags, with the objects of the clone. */
async function writeView(
  context: WorktreeContext,
  view: string,
  signal: AbortSignal,
): Promise<void> {
  const { repository } = context.layout;
  const refs = await readRemoteRefFile(context, signal);
  for (const name of ["objects/info", "refs"]) {
    await mkdir(join(view, name), { recursive: true, mode: 0o700 });
  }
  const [head, shallow] = await Promise.all(
    ["HEAD", "shallow"].map((name) => readIfThere(join(repository, name))),
  );
  await writeFile(join(view, "config"), configuration);
  await writeFile(join(view, "objects/info/alternates"), `${join(repository, "objects")}\n`);
  if (shallow === undefined) await rm(join(view, "shallow"), { force: true });
  else await replaceFile(join(view, "shallow"), shallow);
  await replaceFile(join(view, "HEAD"), head ?? "ref: refs/heads/main\n");
  await replaceFile(join(view, "packed-refs"), refs);
}

/** Clients may leave out what they have no use for, as at the usual hosts. */
const configuration = `[core]
	repositoryformatversion = 0
	bare = true
[uploadpack]
	allowFilter = true
[gc]
	auto = 0
`;
