/** Why fetch has failed, in a word or two: it says "fetch failed" itself, and gives the reason as its cause. */
export function explainNetworkFailure(error: unknown): string {
  return textOf(isObject(error) ? error["cause"] : undefined) ?? textOf(error) ?? String(error);
}

/** Such errors come from Node's own realm too, where `instanceof` doesn't know them. */
function textOf(error: unknown): string | undefined {
  if (!isObject(error)) return undefined;
  const { code, message } = error;
  // A connection to several addresses fails with a code and no message.
  if (typeof code === "string") return code;
  return typeof message === "string" && message !== "" ? message : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
