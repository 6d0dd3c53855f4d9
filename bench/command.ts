// The whole of `factory workers`, from the start of its process to its end, against a bare Node.js that starts, asks
// the same by one fetch, and ends.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { alternate } from "./alternate.ts";
import type { Finding } from "./finding.ts";
import type { World } from "./world.ts";

const main = join(import.meta.dirname, "..", "src", "main.ts");
const execute = promisify(execFile);

export async function benchCommand({ quick, startServer }: World): Promise<Finding[]> {
  const server = await startServer();
  try {
    const environment = {
      PATH: process.env["PATH"] ?? "",
      FACTORY_HOME: server.home,
      // Its compiled code is kept there from the first turn on.
      XDG_CACHE_HOME: join(server.home, "cache"),
    };
    const bare = `await (await fetch("${server.url}/graphql", {
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer ${server.token}" },
      body: JSON.stringify({ query: "{ workerSessions(last: 100) { nodes { name status } } }" }),
    })).text()`;
    const run = (...args: string[]) => timeProcess(args, environment);
    const ours = () => run(main, "workers");
    const floor = () => run("--input-type=module", "--eval", bare);
    await alternate({ turns: 5 }, ours, floor);
    return [
      {
        what: "factory workers, the whole process",
        unit: "ms",
        ...(await alternate({ turns: quick ? 15 : 50 }, ours, floor)),
        target: { kind: "absolute", most: 150 },
      },
      {
        what: "factory --version",
        unit: "ms",
        ...(await alternate(
          { turns: quick ? 5 : 20 },
          () => run(main, "--version"),
          () => run("--eval", "0"),
        )),
      },
    ];
  } finally {
    await server.dispose();
  }
}

async function timeProcess(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<number> {
  const started = performance.now();
  await execute(process.execPath, args, { env });
  return performance.now() - started;
}
