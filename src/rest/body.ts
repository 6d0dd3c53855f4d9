// The body of a request, as JSON.
import { parseBoundedJson } from "../bounded-json.ts";
import { FactoryError } from "../errors.ts";

/** undefined: there is none. @throws FactoryError BAD_INPUT */
export async function readBody(request: Request): Promise<unknown> {
  const bytes = await readBytes(request);
  if (bytes.byteLength === 0) return undefined;
  const [type = ""] = (request.headers.get("content-type") ?? "").split(";");
  if (type.trim().toLowerCase() !== "application/json") {
    throw malformed(
      `the body must be JSON: send it with Content-Type: application/json${type === "" ? "" : `, not ${type.trim()}`}`,
    );
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw malformed("the body must be JSON in UTF-8: it holds bytes that are no UTF-8", error);
  }
  return parseBoundedJson(text, "the body");
}

/** Whoever sent half of it has left, and hears of no failure; nobody else has one. */
async function readBytes(request: Request): Promise<ArrayBuffer> {
  try {
    return await request.arrayBuffer();
  } catch (error) {
    throw malformed("the body has ended before its end", error);
  }
}

function malformed(message: string, cause?: unknown): FactoryError {
  return new FactoryError("BAD_INPUT", message, { cause });
}
