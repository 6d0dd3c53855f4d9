// What a tool is, and how its results and failures are told.
import type { CallToolResult, StandardSchemaWithJSON } from "@modelcontextprotocol/server";
import { z } from "zod";
import { FactoryError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { parseInput } from "../parse-input.ts";
import type { Call } from "./call.ts";

/** Some clients show a result's text alone to their model, others its structure alone: each says it all. */
interface Told<Result> {
  readonly result: Result;
  readonly text: string;
}

interface ToolDefinition<Input extends z.ZodObject, Output extends z.ZodObject> {
  readonly name: string;
  readonly title: string;
  /** For an agent: when to use it, what comes back, what to do next. */
  readonly description: string;
  /** Who finds it in its list; what it may do is decided by the API. */
  readonly audience: "all" | "operator" | "worker";
  readonly hints: {
    readonly readOnlyHint: boolean;
    readonly destructiveHint?: boolean;
    readonly idempotentHint?: boolean;
  };
  readonly input: Input;
  readonly output: Output;
  run(args: z.output<Input>, call: Call): Promise<Told<z.input<Output>>>;
}

export interface Tool {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly audience: "all" | "operator" | "worker";
  readonly hints: ToolDefinition<z.ZodObject, z.ZodObject>["hints"];
  readonly input: StandardSchemaWithJSON;
  readonly output: StandardSchemaWithJSON;
  /** Never rejects: a failure is a result too, so that the agent reads it. */
  call(args: unknown, call: Call, logger: Logger): Promise<CallToolResult>;
}

export function defineTool<Input extends z.ZodObject, Output extends z.ZodObject>(
  definition: ToolDefinition<Input, Output>,
): Tool {
  const { name, title, description, audience, hints } = definition;
  return {
    name,
    title,
    description,
    audience,
    hints,
    input: advertise(z.toJSONSchema(definition.input, { io: "input" })),
    output: advertise(z.toJSONSchema(definition.output)),
    async call(args, call, logger) {
      try {
        const { result, text } = await definition.run(
          parseInput(definition.input, args ?? {}, "argument"),
          call,
        );
        return {
          content: [{ type: "text", text }],
          structuredContent: definition.output.parse(result),
        };
      } catch (error) {
        // Nobody reads this any more.
        if (call.signal.aborted) return failure("SERVICE_UNAVAILABLE", "the call was cancelled");
        if (error instanceof FactoryError) return failure(error.code, error.message);
        const id = crypto.randomUUID();
        logger.error({ err: error, id, tool: name }, "an unexpected error in a tool");
        return failure("INTERNAL", `an internal error; the server's log has it under ${id}`);
      }
    },
  };
}

/** Without structured content, which would have to fit the schema of a success. */
function failure(code: string, message: string): CallToolResult {
  return { content: [{ type: "text", text: `${code}: ${message}` }], isError: true };
}

/** Shown as it is and checked by the tool itself, whose failures carry a code of Factory's. */
function advertise(schema: Record<string, unknown>): StandardSchemaWithJSON {
  return {
    "~standard": {
      version: 1,
      vendor: "factory",
      jsonSchema: { input: () => schema, output: () => schema },
      validate: (value) => ({ value }),
    },
  };
}
