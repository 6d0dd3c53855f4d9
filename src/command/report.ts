// `factory report`: a worker tells its parent how the work goes.
import { parseArgs } from "node:util";
import { askServer } from "./ask.ts";
import { exitCodes, findServer } from "./connection.ts";

export const reportUsage = `Usage: factory report TEXT [--outcome succeeded|failed]

Tells the session that asked for this work how it goes, from inside a worker: FACTORY_URL and FACTORY_TOKEN
in its environment say who it is. The last outcome that was told decides when the worker has ended.
A TEXT that begins with a dash comes after "--".
`;

const mutation = `mutation ($input: ReportWorkerInput!) {
  reportWorker(input: $input) { worker { name } }
}`;

const outcomes = { succeeded: "SUCCEEDED", failed: "FAILED" } as const;

/** @returns the exit code @throws ConfigError, CommandError */
export async function report(args: readonly string[]): Promise<number> {
  const input = parse(args);
  if (typeof input === "string") {
    process.stderr.write(`factory: ${input}\n${reportUsage}`);
    return exitCodes.badUsage;
  }
  if (input.isHelp) {
    process.stdout.write(reportUsage);
    return exitCodes.done;
  }
  const { message, outcome } = input;
  await askServer(await findServer(), mutation, {
    input: { message, ...(outcome === undefined ? {} : { outcome }) },
  });
  return exitCodes.done;
}

interface Input {
  readonly isHelp: boolean;
  readonly message: string;
  readonly outcome: (typeof outcomes)[keyof typeof outcomes] | undefined;
}

/** @returns what is wrong, where something is */
function parse(args: readonly string[]): Input | string {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { help: { type: "boolean", short: "h" }, outcome: { type: "string" } },
    });
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const { positionals, values } = parsed;
  if (values.help === true) return { isHelp: true, message: "", outcome: undefined };
  const [message] = positionals;
  if (message === undefined || positionals.length > 1) {
    return "report takes one TEXT: put it in quotes";
  }
  if (values.outcome === undefined) return { isHelp: false, message, outcome: undefined };
  const name = values.outcome.toLowerCase();
  if (name !== "succeeded" && name !== "failed") {
    return `--outcome is ${values.outcome}: it may be succeeded or failed`;
  }
  return { isHelp: false, message, outcome: outcomes[name] };
}
