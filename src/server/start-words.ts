// What a start says to whoever runs it, beside the log.

export interface StartFacts {
  readonly url: string;
  readonly token: string;
  /** Whether this start has made the token. */
  readonly isTokenNew: boolean;
  /** Where it stands; undefined: in the setting FACTORY_TOKEN. */
  readonly tokenFile: string | undefined;
  /** undefined: nobody is there to read it, as where the words go into a log. */
  readonly signInLink: string | undefined;
}

/** Logs are kept and read by others: the token stands there only where its owner could not know it yet. */
export function startWords(facts: StartFacts): string {
  const { url, token, isTokenNew, tokenFile, signInLink } = facts;
  const isShown = signInLink !== undefined || isTokenNew;
  const isSet = tokenFile === undefined;
  const hidden = isSet ? '"$FACTORY_TOKEN"' : `"$(cat ${quote(tokenFile)})"`;
  const where = isSet ? "the value of FACTORY_TOKEN" : `in the file ${tokenFile}`;
  const open =
    signInLink === undefined
      ? `  Factory is running. Open this address in a browser, and sign in with the token (${where}):

    ${url}/`
      : `  Factory is running. Open this address in a browser; it signs in once, within an hour:

    ${signInLink}

  Other browsers sign in at ${url}/ with the token (${where}).`;
  return `
${open}
  It shows what your workers do; GraphiQL is at /graphql, with a first clone and a first dispatch to try.
  Or in a second terminal, and for programs:

    ./factory help
    export FACTORY_URL=${url} FACTORY_TOKEN=${isShown ? token : hidden}

`;
}

/** As a shell takes it, where it needs to be quoted at all. */
function quote(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
