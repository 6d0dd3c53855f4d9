// What DATABASE_URL may say, and how node-postgres is to read it.

/** What is wrong with it; undefined: nothing that can be seen without connecting. Never repeats its password. */
export function findUrlMistake(text: string): string | undefined {
  if (!/^postgres(ql)?:\/\//.test(text)) return "must be a postgresql:// URL";
  const authority = text.replace(/^\w+:\/\//, "").replace(/[/?#].*$/s, "");
  // A user and a password may hold commas.
  const hosts = [authority.slice(authority.lastIndexOf("@") + 1), ...parametersOf(text, "host")];
  if (hosts.some((host) => host.includes(",")) || hosts.length > 2) {
    return "names several hosts, and may name one: the address that leads to the primary after a failover too, such as a virtual IP, HAProxy's or your provider's for writing";
  }
  if (!URL.canParse(text)) {
    return "can't be read as a URL: percent-encode what is special in its user and password (%40 for @, %2F for /)";
  }
  const wrong = parametersOf(text, "target_session_attrs").find(
    (value) => !["any", "read-write", "primary"].includes(value),
  );
  if (wrong !== undefined) {
    return "asks for target_session_attrs other than read-write, primary or any: Factory writes";
  }
  return undefined;
}

function parametersOf(text: string, name: string): string[] {
  const query = /\?([^#]*)/.exec(text)?.[1] ?? "";
  return new URLSearchParams(query).getAll(name);
}

/**
 * As node-postgres reads it without a warning. It verifies the server's certificate in the modes `prefer`, `require`
 * and `verify-ca` too, and warns at each start that its next version will not; here they stay what they are.
 * `sslrootcert=system`, libpq's word for the system's certificates, means what it does without a file.
 */
export function readableUrl(text: string): string {
  const [start = "", query] = text.split("?", 2);
  if (query === undefined) return text;
  const isAsLibpq = parametersOf(text, "uselibpqcompat").includes("true");
  const parameters = query
    .split("&")
    .filter((parameter) => parameter !== "sslrootcert=system")
    .map((parameter) =>
      isAsLibpq
        ? parameter
        : parameter.replace(/^sslmode=(prefer|require|verify-ca)$/, "sslmode=verify-full"),
    );
  return parameters.length === 0 ? start : `${start}?${parameters.join("&")}`;
}
