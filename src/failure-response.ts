// A failure in the form that every path answers with unless a protocol asks for another.
import { errorCodes, type FactoryError } from "./errors.ts";

export function failureResponse(
  { code, message, facts: { firstSequence, lastSequence } }: FactoryError,
  status: number = errorCodes[code],
): Response {
  // Those facts that say where in a stream to go on; what is undefined is left out.
  return Response.json({ error: { code, message, firstSequence, lastSequence } }, { status });
}
