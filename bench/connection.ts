// GraphQL over one HTTP connection, kept alive; node:http, as fetch itself takes longer than a query.
import { Agent, request } from "node:http";
import type { FactoryServer } from "../test/support/factory.ts";

export interface Connection {
  /** The answer's text. */
  send(document: string): Promise<string>;
  close(): void;
}

export function openConnection({ url, token }: FactoryServer): Connection {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return {
    send(document) {
      const body = JSON.stringify({ query: document });
      const headers = {
        "content-type": "application/json",
        // Else it goes in chunks, which no other client does with a text.
        "content-length": Buffer.byteLength(body),
        authorization: `Bearer ${token}`,
      };
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      const asked = request(`${url}/graphql`, { method: "POST", agent, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.once("error", reject);
        response.once("end", () => {
          resolve(Buffer.concat(chunks).toString("utf8"));
        });
      });
      asked.once("error", reject);
      asked.end(body);
      return promise;
    },
    close() {
      agent.destroy();
    },
  };
}

/** Milliseconds; the answer must hold what shows that it is whole. */
export async function time(ask: () => Promise<string>, sign: string): Promise<number> {
  const started = performance.now();
  const answer = await ask();
  const milliseconds = performance.now() - started;
  if (!answer.includes(sign)) throw new Error(`not the answer: ${answer.slice(0, 200)}`);
  return milliseconds;
}
