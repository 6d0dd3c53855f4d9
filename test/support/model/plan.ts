// What the model server answers, whatever the format in which it was asked.
import { randomBytes } from "node:crypto";
import { isObject, listIn, objectIn, textIn, type JsonObject } from "../../../src/agents/json.ts";

export interface Tool {
  readonly name: string;
  /** The JSON schema of its arguments. */
  readonly schema: JsonObject;
}

/** What matters of a request. */
export interface Asked {
  readonly tools: readonly Tool[];
  /** Whether it brings a tool's result, so that the turn is to end. */
  readonly answered: boolean;
}

/** A tool to be run, or words. */
export type Plan =
  | { readonly call: { readonly name: string; readonly args: JsonObject } }
  | { readonly text: string };

/** One of the protocols in which agents ask their models. */
export interface Format {
  read(body: JsonObject): Asked;
  /** The whole answer, for a request that wants no stream. */
  whole(plan: Plan, body: JsonObject): JsonObject;
  /** The same answer as server-sent events. */
  stream(plan: Plan, body: JsonObject): readonly Frame[];
}

export interface Frame {
  readonly event?: string;
  readonly data: JsonObject | string;
}

/** Told with every answer. */
export const tokens = { input: 120, output: 30, cached: 20 };

/** The names under which agents offer a shell, the most capable first. */
const shells = [
  "bash",
  "shell",
  "exec_command",
  "shell_command",
  "run_shell_command",
  "execute_command",
];

export interface Script {
  /** The shell command to ask for, once a turn. */
  readonly command: string;
  /** What to say when it was run, or when there is no shell: titles and summaries. */
  readonly text: string;
  /** Further arguments of the tool call. */
  readonly more: JsonObject;
}

export function planFor({ tools, answered }: Asked, { command, text, more }: Script): Plan {
  const shell = shells
    .map((name) => tools.find((tool) => tool.name.toLowerCase() === name))
    .find((tool) => tool !== undefined);
  if (answered || shell === undefined) return { text };
  return {
    call: { name: shell.name, args: { ...argumentsFor(shell.schema, command), ...more } },
  };
}

/** Each agent names its shell's arguments otherwise; its schema says how. */
function argumentsFor(schema: JsonObject, command: string): JsonObject {
  const properties = objectIn(schema, "properties");
  const key = ["command", "cmd", "script"].find((name) => name in properties) ?? "command";
  const isList = objectIn(properties, key)["type"] === "array";
  const needed = listIn(schema, "required")
    .filter((name) => typeof name === "string")
    .map((name) => [name, sample(objectIn(properties, name))] as const);
  return { ...Object.fromEntries(needed), [key]: isList ? ["bash", "-lc", command] : command };
}

/** Something that the JSON schema accepts. */
export function sample(schema: JsonObject): unknown {
  const [first] = listIn(schema, "enum");
  if (first !== undefined) return first;
  switch (textIn(schema, "type")?.toLowerCase()) {
    case "number":
    case "integer":
      return 60_000;
    case "boolean":
      return false;
    case "array":
      return [];
    case "string":
      return "run the command";
    default:
      return Object.fromEntries(
        Object.entries(objectIn(schema, "properties")).map(([name, property]) => [
          name,
          isObject(property) ? sample(property) : null,
        ]),
      );
  }
}

export function newId(prefix: string): string {
  return prefix + randomBytes(9).toString("hex");
}
