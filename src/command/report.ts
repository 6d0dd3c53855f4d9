// `factory report`: a worker tells its parent how the work goes.
import { ask } from "./ask.ts";
import { exitCodes, findServer } from "./connection.ts";
import { document } from "./document.ts";
import { printJson } from "./print.ts";
import type { ReportOptions } from "./options.ts";

interface Reported {
  readonly reportWorker: { readonly worker: { readonly name: string; readonly status: string } };
}

const reportDocument = document<Reported, { readonly input: object }>(
  `mutation ($input: ReportWorkerInput!) {
    reportWorker(input: $input) { worker { name status } }
  }`,
);

/** @returns the exit code @throws CommandError */
export async function report(message: string, { outcome, json }: ReportOptions): Promise<number> {
  const { reportWorker } = await ask(await findServer(), reportDocument, {
    input: { message, ...(outcome === undefined ? {} : { outcome }) },
  });
  if (json === true) printJson(reportWorker.worker);
  return exitCodes.done;
}
