// How people name a repository: owner/name, or the address that it is cloned from.

export interface RepositoryName {
  readonly owner: string;
  readonly name: string;
}

export interface CloneSource extends RepositoryName {
  /** undefined: where the server looks by itself. */
  readonly url: string | undefined;
}

/** undefined: it is neither. The server looks at it more closely. */
export function readCloneSource(text: string): CloneSource | undefined {
  const trimmed = text.trim();
  const named = readName(trimmed);
  if (named !== undefined) return { ...named, url: undefined };
  // https://host/owner/name.git, ssh://host/owner/name, git@host:owner/name.git
  const match =
    /^(?:[a-z]+:\/\/[^/]+\/|[^/\s]+@[^/\s]+:)(?:.*\/)?([^/]+)\/([^/]+?)(?:\.git)?\/?$/i.exec(
      trimmed,
    );
  const [, owner, name] = match ?? [];
  return owner === undefined || name === undefined ? undefined : { owner, name, url: trimmed };
}

/** Of owner/name. */
export function readName(text: string): RepositoryName | undefined {
  const [, owner, name] = /^([^/\s:]+)\/([^/\s]+)$/.exec(text.trim()) ?? [];
  return owner === undefined || name === undefined ? undefined : { owner, name };
}
