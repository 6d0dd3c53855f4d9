// What is set for a parent, by whoever runs the server.
import { assertOperator } from "../../access/viewer.ts";
import { builder } from "../../graphql/builder.ts";
import { ParentSessionRef } from "./parents.ts";

const parentName =
  "The parent's name. One that has not dispatched yet exists from then on, so that nothing of its first dispatch is missed.";

const SetParentWebhookInput = builder.inputType("SetParentWebhookInput", {
  description: "Where a parent's changes are to be POSTed.",
  fields: (t) => ({
    parentSession: t.string({ required: true, description: parentName }),
    url: t.string({
      description:
        "http or https, without user and password, 2,000 characters at most; private addresses too. null ends the webhook.",
    }),
    secret: t.string({
      description:
        "Signs each delivery (HMAC-SHA256), 1,000 bytes at most; it is never shown. Left out: deliveries are not signed, whatever was set before.",
    }),
  }),
});

const SetParentBudgetInput = builder.inputType("SetParentBudgetInput", {
  description: "What a parent's workers may cost.",
  fields: (t) => ({
    parentSession: t.string({ required: true, description: parentName }),
    maxCostUsd: t.float({
      description: "In US dollars, more than 0 and 1,000,000 at most; null for no limit.",
    }),
  }),
});

const SetParentWebhookPayload = parentPayload("SetParentWebhookPayload");
const SetParentBudgetPayload = parentPayload("SetParentBudgetPayload");

function parentPayload(name: string) {
  return builder.objectRef<{ readonly id: string }>(name).implement({
    description: "A parent for which something was set.",
    fields: (t) => ({
      parentSession: t.prismaField({
        type: ParentSessionRef,
        description: "The parent.",
        resolve: (query, { id }, _args, { prisma }) =>
          prisma.parentSession.findUniqueOrThrow({ ...query, where: { id } }),
      }),
    }),
  });
}

builder.mutationFields((t) => ({
  setParentWebhook: t.field({
    type: SetParentWebhookPayload,
    nullable: true,
    description:
      "Where to POST a parent's changes; null url ends it. A new webhook gets what comes from now on, one that is set again goes on where it was. Changes come one after the other in their order, each at least once: sequence tells a repeat, X-Factory-Delivery is the same for all tries of one. What isn't answered with 2xx within 10 s is tried again, after 1 s to 10 minutes, for 72 hours; 410 ends the webhook. Operator only. Errors: BAD_INPUT, WORKER_NOT_FOUND for the name of a worker that doesn't exist, NOT_FOUND where there is no parent whose webhook could be ended, FORBIDDEN.",
    args: {
      input: t.arg({ type: SetParentWebhookInput, required: true, description: "Where to." }),
    },
    async resolve(_root, { input: { parentSession, url, secret } }, { viewer, parents }) {
      assertOperator(viewer);
      const webhook = { url: url ?? undefined, secret: secret ?? undefined };
      return { id: await parents.setWebhook(parentSession, webhook) };
    },
  }),
  setParentBudget: t.field({
    type: SetParentBudgetPayload,
    nullable: true,
    description:
      "What a parent's workers may cost, and theirs with them. Once they have cost as much, the agents that are spoken to or watched for their cost are asked to end their turns and then ended, sessions that wait in the queue fail when their turn comes, each with the failureCode LIMIT_EXCEEDED, and a dispatch is answered with LIMIT_EXCEEDED. Operator only. Errors: BAD_INPUT, WORKER_NOT_FOUND for the name of a worker that doesn't exist, FORBIDDEN.",
    args: {
      input: t.arg({ type: SetParentBudgetInput, required: true, description: "How much." }),
    },
    async resolve(_root, { input: { parentSession, maxCostUsd } }, { viewer, parents }) {
      assertOperator(viewer);
      return { id: await parents.setBudget(parentSession, maxCostUsd ?? undefined) };
    },
  }),
}));
