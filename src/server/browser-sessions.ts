// Browsers that are signed in. Rows rather than memory: every server of the database knows them.
import { createHmac, randomBytes } from "node:crypto";
import type { PrismaClient } from "../database/client.ts";
import type { Notices } from "../events/notices.ts";
import type { Logger } from "../log.ts";

export const sessionSeconds = 30 * 24 * 3600;
/** Beyond this many, the oldest ends. */
const maxSessions = 1_000;
const idBytes = 32;
/** As create() makes them: nothing else is looked up. */
const idPattern = /^[\w-]{43}$/;

export interface BrowserSessions {
  /** @returns the id of a new session, for the cookie alone: the row has its hash */
  create(): Promise<string>;
  isValid(id: string): Promise<boolean>;
  /** On all servers, with the streams that the session has open. */
  end(id: string): Promise<void>;
  /** Calls the listener once, when the session has ended on this or another server. Returns what stops that. */
  watchEnd(id: string, listener: () => void): () => void;
}

export function createBrowserSessions({
  prisma,
  notices,
  token,
  logger,
}: {
  readonly prisma: PrismaClient;
  readonly notices: Notices;
  /** The operator's. */
  readonly token: string;
  readonly logger: Logger;
}): BrowserSessions {
  /** With the token as the key: another token knows none of the sessions. */
  function hash(id: string): string {
    return createHmac("sha256", token).update(`browser session ${id}`).digest("hex");
  }

  async function isValid(id: string): Promise<boolean> {
    if (!idPattern.test(id)) return false;
    const found = await prisma.browserSession.findFirst({
      where: { hash: hash(id), expiresAt: { gt: new Date() } },
      select: { hash: true },
    });
    return found !== null;
  }

  return {
    isValid,

    async create() {
      const id = randomBytes(idBytes).toString("base64url");
      const expiresAt = new Date(Date.now() + sessionSeconds * 1000);
      await prisma.browserSession.create({ data: { hash: hash(id), expiresAt } });
      await prisma.$executeRaw`
        DELETE FROM "BrowserSession" WHERE "expiresAt" <= now() OR hash IN (
          SELECT hash FROM "BrowserSession" ORDER BY "expiresAt" DESC, hash OFFSET ${maxSessions})`;
      return id;
    },

    async end(id) {
      await prisma.browserSession.deleteMany({ where: { hash: hash(id) } });
      notices.tell({ topic: topicOf(hash(id)), subjects: [] });
    },

    watchEnd(id, listener) {
      const ended = () => {
        unwatch();
        listener();
      };
      const unwatch = notices.watch(topicOf(hash(id)), (notice) => {
        if (notice !== undefined) {
          ended();
          return;
        }
        // The connection that notices come by was lost for a while.
        isValid(id).then(
          (valid) => {
            if (!valid) ended();
          },
          (error: unknown) => {
            logger.warn({ err: error }, "failed to check a browser's session");
          },
        );
      });
      return unwatch;
    },
  };
}

function topicOf(hash: string): string {
  return `browser-session:${hash}`;
}
