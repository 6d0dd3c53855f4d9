/** The named variables of an environment. An empty one counts as unset, as it does among the server's settings. */
export function pickVariables(
  source: Readonly<Record<string, string | undefined>>,
  names: readonly string[],
): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = source[name];
      return value === undefined || value === "" ? [] : [[name, value] as const];
    }),
  );
}
