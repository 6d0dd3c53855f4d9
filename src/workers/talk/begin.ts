// What is said to an agent first, as its session's row holds it before the agent starts.
import type { ResolvedAgent, StartContext } from "../../agents/definition.ts";
import { protocolOf } from "../../agents/protocols.ts";
import type { AgentEvent } from "../../agents/talk.ts";
import type { PrismaClient } from "../../database/client.ts";
import { Prisma, type WorkerSession } from "../../generated/prisma/client.ts";
import type { WorkerSandbox } from "../../generated/prisma/enums.ts";
import { launchAsJson, type LaunchRecord } from "../launch-record.ts";
import { redactAll, type Redact } from "../secrets.ts";
import { asJson, type StoredTalk } from "./stored.ts";

export interface Begun {
  /** What went otherwise than asked for. */
  readonly note: string | undefined;
  /** Which start of the agent within its attempt this is. */
  readonly starts: number;
  readonly launch: LaunchRecord;
  readonly sandbox: WorkerSandbox;
  readonly redact: Redact;
}

/** Stored before the start: whatever is killed after it, the next server knows what was said. */
export async function beginTalk(
  prisma: PrismaClient,
  session: WorkerSession,
  { way }: ResolvedAgent,
  context: StartContext,
  { note, starts, launch, sandbox, redact }: Begun,
): Promise<{ session: WorkerSession; isSpokenTo: boolean }> {
  const protocol = protocolOf(way.protocol);
  const step = protocol?.begin(context);
  const prompt = { type: "message", payload: { role: "USER", text: context.prompt } } as const;
  const noted: AgentEvent[] =
    note === undefined
      ? []
      : [{ type: "output", payload: { channel: "STDERR", text: `[factory] ${note}\n` } }];
  const talk: StoredTalk | undefined =
    step === undefined
      ? undefined
      : {
          version: 0,
          state: step.state,
          outbox: step.lines,
          outboxOffset: 0,
          pending: [],
          isClosed: false,
          overruled: null,
          starts,
          // Who is started again has them in its stream already.
          firstEvents: starts === 1 ? redactAll(redact, [prompt, ...noted, ...step.events]) : [],
        };
  const updated = await prisma.workerSession.update({
    where: { id: session.id },
    data: {
      protocol: way.protocol,
      stdoutOffset: 0,
      stderrOffset: 0,
      launch: launchAsJson(launch),
      sandbox,
      talk: talk === undefined ? Prisma.DbNull : asJson(talk),
    },
  });
  return { session: updated, isSpokenTo: protocol?.isSpokenTo ?? false };
}
