// What a route has at hand, and how it asks.
import type { z } from "zod";
import { errorOf, type Ask, type Listen, type Variables } from "../ask.ts";
import { FactoryError } from "../errors.ts";
import { mapGenerator } from "../map-generator.ts";

export interface Call {
  readonly ask: Ask;
  readonly listen: Listen;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
}

/** What REST calls otherwise than GraphQL does: by GraphQL's name, REST's. */
export type Renamed = Readonly<Record<string, string>>;

export const repositoryNames: Renamed = { name: "repo" };

/**
 * Executes a document, and reads its whole answer: with one fault in it there is no answer.
 * @throws FactoryError with the code and message of the API
 */
export async function ask<Shape extends z.ZodType>(
  call: Call,
  { document, as }: { readonly document: string; readonly as: Shape },
  variables: Variables,
  renamed: Renamed = {},
): Promise<z.output<Shape>> {
  const { data, faults } = await call.ask(document, variables, call.signal);
  const [fault] = faults;
  if (fault !== undefined) throw rename(errorOf(fault), renamed);
  return as.parse(data);
}

/**
 * Subscribes, and reads each event whole.
 * @throws FactoryError with the code and message of the API, here and from the generator
 */
export async function listen<Shape extends z.ZodType>(
  call: Call,
  { document, as }: { readonly document: string; readonly as: Shape },
  variables: Variables,
  renamed: Renamed = {},
): Promise<AsyncGenerator<z.output<Shape>>> {
  try {
    const source = await call.listen(document, variables, call.signal);
    return mapGenerator(source, ({ data, faults: [fault] }) => {
      if (fault !== undefined) throw errorOf(fault);
      return as.parse(data);
    });
  } catch (error) {
    throw error instanceof Error ? rename(error, renamed) : error;
  }
}

/** A message on malformed input begins with the name of the field, or the path to it: input.name. */
function rename(error: Error, renamed: Renamed): Error {
  if (!(error instanceof FactoryError) || error.code !== "BAD_INPUT") return error;
  const [path = ""] = error.message.split(" ", 1);
  const field = path.replace(/^(?:\w+\.)+/, "");
  const own = Object.hasOwn(renamed, field) ? renamed[field] : field;
  if (own === undefined || own === path) return error;
  return new FactoryError(error.code, `${own}${error.message.slice(path.length)}`, {
    cause: error,
    facts: { ...error.facts },
  });
}
