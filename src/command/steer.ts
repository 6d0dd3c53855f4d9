// `factory cancel`, `send` and `retry`.
import { ask } from "./ask.ts";
import { exitCodes, findServer } from "./connection.ts";
import { document } from "./document.ts";
import { oneLine } from "./harmless.ts";
import { hint, printJson, say } from "./print.ts";
import { naming } from "./suggest.ts";
import { isFinal, showStatus, workerFields, type Worker } from "./worker-fields.ts";
import type { AllowOptions, CancelOptions, KeyOption } from "./options.ts";

interface Input {
  readonly input: object;
}

const cancelDocument = document<
  { readonly cancelWorker: { readonly worker: Worker } },
  Input
>(`mutation ($input: CancelWorkerInput!) {
  cancelWorker(input: $input) { worker { ${workerFields} } }
}`);

const sendDocument = document<
  { readonly sendMessage: { readonly created: boolean; readonly worker: Worker } },
  Input
>(`mutation ($input: SendMessageInput!) {
  sendMessage(input: $input) { created worker { ${workerFields} } }
}`);

const retryDocument = document<
  { readonly retryWorker: { readonly created: boolean; readonly worker: Worker } },
  Input
>(`mutation ($input: RetryWorkerInput!) {
  retryWorker(input: $input) { created worker { ${workerFields} } }
}`);

const allowDocument = document<
  { readonly allowHost: { readonly worker: Worker } },
  Input
>(`mutation ($input: AllowHostInput!) {
  allowHost(input: $input) { worker { ${workerFields} } }
}`);

export async function cancel(id: string, options: CancelOptions): Promise<number> {
  const { reason, children = false, json = false } = options;
  const server = await findServer();
  const input = { id, children, ...(reason === undefined ? {} : { reason }) };
  const { cancelWorker } = await naming(server, { worker: id }, () =>
    ask(server, cancelDocument, { input }),
  );
  const { worker } = cancelWorker;
  const { name, status } = worker;
  if (json) printJson(worker);
  else if (status === "CANCELLED") say(`${name} is ${showStatus(status)}`);
  else if (isFinal(status)) say(`${name} had ended before: ${showStatus(status)}`);
  else say(`${name} is being cancelled`);
  return exitCodes.done;
}

export async function send(
  id: string,
  text: string,
  { key, json = false }: KeyOption,
): Promise<number> {
  const server = await findServer();
  const input = { id, text, ...withKey(key) };
  const { sendMessage } = await naming(server, { worker: id }, () =>
    ask(server, sendDocument, { input }),
  );
  const { created, worker } = sendMessage;
  if (json) printJson({ ...worker, created });
  else if (created) say(`${worker.name} goes on with the conversation, as ${id} has ended`);
  else say(`${worker.name} hears it as its next turn`);
  if (!json) hint(`factory logs ${worker.name} -f   shows what it says`);
  return exitCodes.done;
}

export async function retry(id: string, { key, json = false }: KeyOption): Promise<number> {
  const server = await findServer();
  const input = { id, ...withKey(key) };
  const { retryWorker } = await naming(server, { worker: id }, () =>
    ask(server, retryDocument, { input }),
  );
  const { created, worker } = retryWorker;
  if (json) printJson({ ...worker, created });
  else say(`${worker.name} does the task of ${id} again: ${showStatus(worker.status)}`);
  if (!json) hint(`factory logs ${worker.name} -f   shows what it prints`);
  return exitCodes.done;
}

export async function allow(
  id: string,
  host: string,
  { repository = false, json = false }: AllowOptions,
): Promise<number> {
  const server = await findServer();
  const input = { id, host, forRepository: repository };
  const { allowHost } = await naming(server, { worker: id }, () =>
    ask(server, allowDocument, { input }),
  );
  const { worker } = allowHost;
  if (json) printJson(worker);
  else {
    const who = repository ? `${worker.name} and later workers of its repository` : worker.name;
    say(`${who} may reach ${oneLine(host)}`);
  }
  return exitCodes.done;
}

function withKey(key: string | undefined): { idempotencyKey?: string } {
  return key === undefined ? {} : { idempotencyKey: key };
}
