// Libraries that make style elements themselves: the Content-Security-Policy lets in those with the page's nonce alone.

/** The page's nonce; another one with each load. */
export function readNonce(): string {
  const meta = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]');
  return meta?.nonce ?? "";
}
