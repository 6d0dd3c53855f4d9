import { describe, expect, test } from "@jest/globals";
import { findIssue, repositoryFromIssueUrl } from "../../../src/issues/url.ts";

describe("an issue's url", () => {
  test.each([
    ["https://github.com/acme/site/issues/42", { owner: "acme", name: "site", number: 42 }],
    ["https://github.com/acme/site/pull/7/files?w=1#x", { owner: "acme", name: "site", number: 7 }],
    ["https://gitlab.com/acme/site/-/issues/42", { owner: "acme", name: "site", number: 42 }],
    ["https://gitlab.com/acme/site/-/work_items/4", { owner: "acme", name: "site", number: 4 }],
    ["https://gitlab.com/acme/site/-/merge_requests/3", { owner: "acme", name: "site", number: 3 }],
    ["https://codeberg.org/acme/site/pulls/12", { owner: "acme", name: "site", number: 12 }],
    ["http://localhost:3000/acme/site/issues/1/", { owner: "acme", name: "site", number: 1 }],
    ["https://github.com/acme/site/issues", { owner: "acme", name: "site" }],
  ])("%s names its repository", (url, expected) => {
    expect(repositoryFromIssueUrl(url)).toEqual(expected);
  });

  test.each([
    "#42",
    "PROJ-42",
    "https://github.com/acme",
    "https://github.com/acme/site",
    "https://github.com/acme/site/wiki/42",
    "https://gitlab.com/group/subgroup/site/-/issues/42",
    "https://acme.atlassian.net/browse/PROJ-42",
    "ftp://github.com/acme/site/issues/42",
    "https://github.com/../../issues/1",
    "https://github.com/-x/site/issues/1",
  ])("%s names none", (url) => {
    expect(repositoryFromIssueUrl(url)).toBeUndefined();
  });
});

describe("an issue below a host's address", () => {
  const find = (url: string, base: string) => findIssue(new URL(url), new URL(base));

  test.each([
    ["https://github.com/acme/site/issues/42?x=1#note", "https://github.com", ["acme", "site"], 42],
    ["http://github.com/acme/site/pull/7/files", "https://github.com", ["acme", "site"], 7],
    ["https://gitlab.com/a/b/c/-/issues/5", "https://gitlab.com", ["a", "b", "c"], 5],
    ["https://git.test/gitea/acme/site/issues/9", "https://git.test/gitea/", ["acme", "site"], 9],
    ["https://gitlab.com/issues/pulls/-/issues/5", "https://gitlab.com", ["issues", "pulls"], 5],
  ])("%s is found", (url, base, path, number) => {
    expect(find(url, base)).toEqual({ path, number, isMergeRequest: false });
  });

  test("a merge request has a number of its own", () => {
    const url = "https://gitlab.com/acme/site/-/merge_requests/3";
    expect(find(url, "https://gitlab.com")?.isMergeRequest).toBe(true);
  });

  test.each([
    ["https://github.com.evil.test/acme/site/issues/42", "https://github.com"],
    ["https://github.com:8443/acme/site/issues/42", "https://github.com"],
    ["https://git.test/acme/site/issues/9", "https://git.test/gitea"],
    ["https://github.com/acme/site/issues", "https://github.com"],
    ["https://github.com/acme/site/issues/new", "https://github.com"],
    ["https://github.com/acme/issues/4", "https://github.com"],
    ["https://github.com/acme/%2e%2e%2f/issues/4", "https://github.com"],
  ])("%s is none below %s", (url, base) => {
    expect(find(url, base)).toBeUndefined();
  });
});
