// What a webhook may be. Private addresses too: who sets it holds the operator's token, and a parent often
// runs beside the server.
import { FactoryError } from "../../errors.ts";
import { checkText } from "../../text.ts";

const longestUrl = 2_000;
const longestSecretBytes = 1_000;

/** @throws FactoryError BAD_INPUT that names the field; what the url holds stands in no message. */
export function checkWebhook(url: string, secret: string | undefined): void {
  const fault = findFault(url);
  if (fault !== undefined) {
    throw new FactoryError(
      "BAD_INPUT",
      `url ${fault}: it must be such as https://example.org/hook`,
    );
  }
  if (secret !== undefined) checkText("secret", secret, { longestBytes: longestSecretBytes });
}

function findFault(url: string): string | undefined {
  if (url.length > longestUrl) return `is longer than ${String(longestUrl)} characters`;
  // URL would drop line breaks and tabs, and trim the rest.
  if (!/^[\u0021-\u007e]+$/.test(url)) {
    return "is empty, or holds a space, a line break or another character that must be percent-encoded";
  }
  const parsed = URL.parse(url);
  if (parsed === null) return "can't be read as a url";
  if (parsed.protocol !== "http:" && parsed.protocol !== "https:")
    return "is neither http nor https";
  if (parsed.username !== "" || parsed.password !== "") {
    return "holds a user or a password, which would be shown with it: put a token into its path, or verify the signature";
  }
  return undefined;
}
