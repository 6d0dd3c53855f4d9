// Each import adds its types, queries, mutations and subscriptions to the builder.
import "./scalars.ts";
import "./builder-connection.ts";
import "../repositories/schema.ts";
import "../repositories/schema-network.ts";
import "../worktrees/schema.ts";
import "../worktrees/schema-changes.ts";
import "../workers/schema/worker-session.ts";
import "../workers/schema/lists.ts";
import "../workers/schema/parents.ts";
import "../workers/schema/parent-mutations.ts";
import "../workers/schema/events.ts";
import "../workers/schema/wait.ts";
import "../workers/schema/agent-events.ts";
import "../workers/schema/mutations.ts";
import "../workers/schema/talk.ts";
import "../workers/schema/agents.ts";
import "../runners/schema.ts";
import "../maintenance/schema.ts";
import "./node.ts";
import "./overview.ts";
import { boundAnswers } from "./answer-budget.ts";
import { builder } from "./builder.ts";
import { priceLists } from "./page-costs.ts";

export const schema = boundAnswers(priceLists(builder.toSchema()));
