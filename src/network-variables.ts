/**
 * How programs reach the network from where the server stands: proxies, in the spellings that curl and others
 * read, and which certificates they trust.
 */
export const networkVariables: readonly string[] = [
  ...["http_proxy", "https_proxy", "all_proxy", "no_proxy"].flatMap((name) => [
    name,
    name.toUpperCase(),
  ]),
  "GIT_SSL_CAINFO",
  "GIT_SSL_CAPATH",
  "GIT_PROXY_SSL_CAINFO",
  "CURL_CA_BUNDLE",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "NODE_EXTRA_CA_CERTS",
  "REQUESTS_CA_BUNDLE",
];

/** Users and passwords in the urls of proxies, as they stand there and decoded. */
export function proxyCredentials(
  environment: Readonly<Record<string, string | undefined>>,
): string[] {
  return networkVariables.flatMap((name) => {
    const value = environment[name];
    if (value === undefined || !/_proxy$/i.test(name) || /^no_/i.test(name)) return [];
    const both = /^(?:[a-z][a-z0-9+.-]*:\/\/)?([^/]*)@/i.exec(value)?.[1];
    if (both === undefined) return [];
    const password = both.slice(both.indexOf(":") + 1);
    return [both, password, decodePart(password)];
  });
}

/** A part of a url; as it is where it is not encoded. */
export function decodePart(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    // It holds a % of its own.
    if (error instanceof URIError) return text;
    throw error;
  }
}
