import { readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { ConfigError } from "../config-error.ts";
import { protocolNames, type AgentDefinition } from "./definition.ts";
import { insertTask, promptWithoutResume } from "./task.ts";

const aCommand = 'must be the program and its arguments, e.g. ["aider", "--message", "{task}"]';
const aProtocol = `must be one of ${protocolNames.join(", ")}`;
const aVariable = "must be the name of a variable: letters, digits and _";

const program = z
  .string(aCommand)
  .min(1, "must name a program")
  // A worker starts inside a worktree: a relative path would run what the repository holds.
  .refine(
    (value) => path.isAbsolute(value) || !value.includes("/"),
    "must be a program's name, looked up in PATH, or its absolute path",
  )
  .refine((value) => !value.includes("{task}"), "must not depend on the task");

const argument = z
  .string("must be a string")
  .refine((value) => !value.includes("\0"), "must not hold a NUL character");

const variable = z
  .string(aVariable)
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, aVariable)
  .refine((name) => !name.startsWith("FACTORY_"), "is set by Factory itself: leave it out");

const entrySchema = z.strictObject(
  {
    command: z.tuple([program], argument, aCommand).optional(),
    protocol: z.enum(protocolNames, aProtocol).optional(),
    env: z.array(variable, "must be a list of names of variables").default([]),
  },
  { error: unknownKeysOr('must be an object like {"command": ["…"], "protocol": "plain"}') },
);

const fileSchema = z.strictObject(
  { agents: z.record(z.string(), z.unknown(), "must be an object of agents by their names") },
  { error: unknownKeysOr('must be an object like {"agents": {…}}') },
);

const namePattern = /^[a-z0-9][a-z0-9._-]{0,62}$/;

/**
 * Reads the agents of a FACTORY_AGENTS file. An entry with a built-in agent's name and no command
 * keeps how that agent is started, and adds its `env`; its `protocol` chooses among the agent's own.
 * @throws ConfigError that lists every mistake.
 */
export function readAgentsFile(
  file: string,
  builtIn: ReadonlyMap<string, AgentDefinition>,
): AgentDefinition[] {
  const content = readJson(file);
  const parsed = fileSchema.safeParse(content);
  if (!parsed.success) throw mistakesIn(file, parsed.error.issues.map(describe));

  const mistakes: string[] = [];
  const agents: AgentDefinition[] = [];
  for (const [name, given] of Object.entries(parsed.data.agents)) {
    const result = readEntry(name, given, builtIn.get(name));
    if ("mistakes" in result) mistakes.push(...result.mistakes);
    else agents.push(result.agent);
  }
  if (mistakes.length > 0) throw mistakesIn(file, mistakes);
  return agents;
}

type EntryResult = { mistakes: string[] } | { agent: AgentDefinition };

function readEntry(name: string, given: unknown, base: AgentDefinition | undefined): EntryResult {
  const mistakes: string[] = [];
  if (!namePattern.test(name)) {
    mistakes.push(`agents.${JSON.stringify(name)} must have a name of 1 to 63 of a-z 0-9 . _ -`);
  }
  const parsed = entrySchema.safeParse(given);
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => ({
      ...issue,
      path: ["agents", name, ...issue.path],
    }));
    return { mistakes: [...mistakes, ...issues.map(describe)] };
  }

  const { command, protocol, env } = parsed.data;
  if (command === undefined) {
    if (base === undefined) mistakes.push(`agents.${name}.command ${aCommand}`);
    const ways = base?.ways.filter((way) => protocol === undefined || way.protocol === protocol);
    if (protocol !== undefined && (ways ?? []).length === 0) {
      mistakes.push(`agents.${name}.protocol needs a command beside it`);
    }
    if (base === undefined || ways === undefined || mistakes.length > 0) return { mistakes };
    return { agent: { ...base, ways, environmentNames: [...base.environmentNames, ...env] } };
  }
  if (protocol === undefined) mistakes.push(`agents.${name}.protocol ${aProtocol}`);
  if (protocol === undefined || mistakes.length > 0) return { mistakes };
  return {
    agent: {
      name,
      ways: [
        {
          protocol,
          program: command[0],
          install: undefined,
          // A headless program has flags of its own for both, which the file doesn't name.
          ignoresServers: protocol !== "acp",
          ignoresConversation: protocol !== "acp",
          reads: command
            .slice(1)
            .filter((part) => path.isAbsolute(part) && !part.includes("{task}")),
          start: (context) => {
            const text = protocol === "plain" ? context.task : promptWithoutResume(context);
            return { command: command.map((part) => insertTask(part, text)) };
          },
        },
      ],
      environmentNames: env,
      fixedEnvironment: {},
    },
  };
}

function readJson(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw mistakesIn(file, [`can't be read: ${messageOf(error)}`]);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw mistakesIn(file, [`is not JSON: ${messageOf(error)}`]);
  }
}

/** One line per mistake, each of which says where it is. */
function mistakesIn(file: string, lines: string[]): ConfigError {
  return new ConfigError(lines.map((line) => `FACTORY_AGENTS, ${file}: ${line}`).join("\n"));
}

/** `agents.echo.command[1] must be a string` */
function describe(issue: { path: PropertyKey[]; message: string }): string {
  const place = issue.path
    .map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`))
    .join("")
    .slice(1);
  return place === "" ? issue.message : `${place} ${issue.message}`;
}

/** Names the keys that nobody knows; any other mistake is that the value is no such object. */
function unknownKeysOr(message: string): z.core.$ZodErrorMap {
  return (issue) =>
    issue.code === "unrecognized_keys"
      ? `has unknown ${issue.keys.map((key) => `"${key}"`).join(", ")}`
      : message;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
