// Git LFS, as far as files are fetched by it. Source: git-lfs, docs/api/batch.md and docs/api/server-discovery.md.
import { z } from "zod";
import { FactoryError } from "../errors.ts";
import { explainNetworkFailure } from "../network-failure.ts";
import { readText } from "../read-text.ts";
import { addressesOf } from "./instead-of.ts";
import type { Credentials } from "./remote-url.ts";

export interface LfsInput {
  /** The remote's, without credentials. */
  readonly url: string;
  /** The client's request for a batch of files, as JSON. */
  readonly request: string;
  readonly signal: AbortSignal;
}

/** A file, by the SHA-256 of what it holds. */
export interface LfsFile {
  readonly oid: string;
  readonly size: number;
  /** Where it is; undefined: the remote doesn't give it, for `error`. */
  readonly source: LfsSource | undefined;
  readonly error: { readonly code: number; readonly message: string } | undefined;
}

export interface LfsSource {
  readonly url: string;
  /** To be sent with the request: they may hold credentials. */
  readonly headers: Readonly<Record<string, string>>;
}

export const lfsType = "application/vnd.git-lfs+json";

const maxAnswerBytes = 4 * 1024 * 1024;
const answerTimeoutMs = 30_000;

const oid = z.string().regex(/^[0-9a-f]{64}$/);
const size = z.int().min(0);

const requestSchema = z.object({
  operation: z.literal("download"),
  // git-lfs asks for a hundred at once.
  objects: z.array(z.object({ oid, size })).min(1).max(1_000),
  ref: z.object({ name: z.string().max(1_000) }).optional(),
});

const answerSchema = z.object({
  objects: z.array(
    z.object({
      oid,
      size,
      actions: z
        .object({
          download: z
            .object({ href: z.string(), header: z.record(z.string(), z.string()).optional() })
            .optional(),
        })
        .optional(),
      error: z.object({ code: z.int(), message: z.string() }).optional(),
    }),
  ),
});

/** @throws FactoryError as `GitRepository.findLfsFiles`; the signal's reason */
export async function findLfsFiles(
  credentials: Credentials | undefined,
  { url, request, signal }: LfsInput,
): Promise<LfsFile[]> {
  const { http } = addressesOf(url);
  if (http === undefined) {
    throw new FactoryError(
      "NOT_SUPPORTED",
      "files of Git LFS are fetched over http and https alone",
    );
  }
  const wanted = readRequest(request);
  const authorization =
    credentials === undefined
      ? {}
      : { authorization: `Basic ${btoaUtf8(`${credentials.username}:${credentials.password}`)}` };
  const answer = await ask(`${http}.git/info/lfs/objects/batch`, {
    method: "POST",
    headers: { accept: lfsType, "content-type": lfsType, ...authorization },
    body: JSON.stringify({ ...wanted, transfers: ["basic"] }),
    // To nowhere else do the credentials go.
    redirect: "error",
    signal: AbortSignal.any([signal, AbortSignal.timeout(answerTimeoutMs)]),
  });
  return answer.objects.map(({ actions, error, ...file }) => {
    const { href, header = {} } = actions?.download ?? {};
    const source = href === undefined ? undefined : { url: href, headers: header };
    return { ...file, source, error };
  });
}

function readRequest(text: string): z.infer<typeof requestSchema> {
  try {
    return requestSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new FactoryError(
      "BAD_INPUT",
      "Factory serves downloads of Git LFS alone, up to 1,000 files in a request",
      { cause: error },
    );
  }
}

async function ask(url: string, how: RequestInit): Promise<z.infer<typeof answerSchema>> {
  try {
    const response = await fetch(url, how);
    const text = await readText(response.body, maxAnswerBytes);
    if (!response.ok) throw explainStatus(response.status);
    if (text === undefined) throw new Error("its answer is too long");
    return answerSchema.parse(JSON.parse(text));
  } catch (error) {
    if (error instanceof FactoryError) throw error;
    throw new FactoryError(
      "REMOTE_UNREACHABLE",
      `the remote's Git LFS could not be asked (${explainNetworkFailure(error)})`,
      { cause: error },
    );
  }
}

function explainStatus(status: number): FactoryError {
  const said = `the remote's Git LFS answered ${String(status)}`;
  if (status === 401 || status === 403) {
    return new FactoryError("REMOTE_AUTH_FAILED", `${said}: give credentials in the url`);
  }
  return new FactoryError(status === 404 ? "REMOTE_NOT_FOUND" : "REMOTE_UNREACHABLE", said);
}

function btoaUtf8(text: string): string {
  return Buffer.from(text).toString("base64");
}
