// What is said to a worker that was dispatched.
import { z } from "zod";
import { read } from "../call.ts";
import { defineTool } from "../tool.ts";
import { isUnfinished, workerArgument } from "../words.ts";

const workerShape = z.object({ name: z.string(), status: z.string() });

export const sendMessage = defineTool({
  name: "send_message",
  title: "Send a message to a worker",
  description:
    "Says something more to a worker: a correction, an answer, a next step. One that runs gets it as its next turn. One that has ended gets it as a new worker (created: true, with another name), which goes on with the same conversation in the same worktree. Next: wait_for_workers; where created is true, for the new name.",
  audience: "all",
  hints: { readOnlyHint: false, destructiveHint: false },
  input: z.strictObject({
    id: workerArgument,
    text: z.string().describe("What to say."),
    idempotencyKey: z
      .string()
      .optional()
      .describe("Any text of your own: a call with the same key is not delivered twice."),
  }),
  output: z.object({ worker: z.string(), status: z.string(), created: z.boolean() }),
  async run(input, call) {
    const { value } = await read(call, messageMutation, { input });
    const { name, status } = value.worker;
    return {
      result: { worker: name, status, created: value.created },
      text: value.created
        ? `${input.id} had ended: ${name} goes on with its conversation (${status}).`
        : `${name} (${status}) gets it as its next turn.`,
    };
  },
});

const messageMutation = {
  document: `mutation ($input: SendMessageInput!) {
    sendMessage(input: $input) { created worker { name status } }
  }`,
  field: "sendMessage",
  as: z.object({ created: z.boolean(), worker: workerShape }),
};

export const answerPermission = defineTool({
  name: "answer_permission",
  title: "Answer a permission request",
  description:
    "Answers what a worker asks permission for; it stands still (WAITING) until then. Requests and their options come with wait_for_workers and get_worker. Read what it wants to do, and choose as the person you work for would. Next: wait_for_workers.",
  audience: "all",
  hints: { readOnlyHint: false, destructiveHint: true },
  input: z.strictObject({
    id: workerArgument,
    requestId: z.string().describe("The request's id."),
    optionId: z.string().describe("The id of the option to choose."),
  }),
  output: z.object({ worker: z.string(), status: z.string() }),
  async run(input, call) {
    const { value } = await read(call, answerMutation, { input });
    const { name, status } = value.worker;
    return { result: { worker: name, status }, text: `Answered. ${name} is ${status}.` };
  },
});

const answerMutation = {
  document: `mutation ($input: AnswerPermissionInput!) {
    answerPermission(input: $input) { worker { name status } }
  }`,
  field: "answerPermission",
  as: z.object({ worker: workerShape }),
};

export const cancelWorker = defineTool({
  name: "cancel_worker",
  title: "Cancel a worker",
  description:
    "Ends a worker whose work is not needed any more, with all of its processes. Its branch and worktree stay. Answers at once; its status becomes CANCELLED soon after. One that has ended already stays as it is.",
  audience: "all",
  hints: { readOnlyHint: false, destructiveHint: true, idempotentHint: true },
  input: z.strictObject({
    id: workerArgument,
    reason: z.string().optional().describe("Shown to those who watch it."),
    children: z
      .boolean()
      .optional()
      .describe("true: end the workers that it has dispatched too. Default: false."),
  }),
  output: z.object({ worker: z.string(), status: z.string() }),
  async run(input, call) {
    const { value } = await read(call, cancelMutation, { input });
    const { name, status } = value.worker;
    return {
      result: { worker: name, status },
      text: isUnfinished(status)
        ? `The end of ${name} is asked for; it is ${status} at the moment.`
        : `${name} has ended: it is ${status}.`,
    };
  },
});

const cancelMutation = {
  document: `mutation ($input: CancelWorkerInput!) {
    cancelWorker(input: $input) { worker { name status } }
  }`,
  field: "cancelWorker",
  as: z.object({ worker: workerShape }),
};

export const report = defineTool({
  name: "report",
  title: "Report to your parent",
  description:
    "Tells whoever dispatched you how it goes: a finding, a question, and at the end the result. Your parent reads it at once, and reads nothing else of what you say. Before you end, report with an outcome: it decides whether your work counts as succeeded or failed. You go on working after it.",
  audience: "worker",
  hints: { readOnlyHint: false, destructiveHint: false },
  input: z.strictObject({
    message: z.string().describe("What to tell, complete in itself. 100,000 bytes at most."),
    outcome: z
      .enum(["SUCCEEDED", "FAILED"])
      .optional()
      .describe("What became of your work. Leave it out while you work."),
  }),
  output: z.object({ worker: z.string(), outcome: z.string().nullable() }),
  async run(input, call) {
    const { value } = await read(call, reportMutation, { input });
    return {
      result: { worker: value.worker.name, outcome: input.outcome ?? null },
      text: "Your parent has it.",
    };
  },
});

const reportMutation = {
  document: `mutation ($input: ReportWorkerInput!) {
    reportWorker(input: $input) { worker { name status } }
  }`,
  field: "reportWorker",
  as: z.object({ worker: workerShape }),
};
