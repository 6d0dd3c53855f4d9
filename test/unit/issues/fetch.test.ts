import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { IssueHost } from "../../../src/config.ts";
import { fetchIssue, type FetchedIssue } from "../../../src/issues/fetch.ts";
import { startIssueHost, type IssueHostServer } from "../../support/issue-host.ts";

let api: IssueHostServer;

beforeEach(async () => {
  api = await startIssueHost();
});

afterEach(async () => {
  await api.stop();
});

function hostOf(kind: IssueHost["kind"], token: string | undefined = `${kind}-secret`): IssueHost {
  return { kind, url: api.url, token, tokenName: `${kind.toUpperCase()}_TOKEN` };
}

function read(path: string, host: IssueHost, timeoutMs = 5_000): Promise<FetchedIssue> {
  return fetchIssue(api.url + path, [host], { signal: new AbortController().signal, timeoutMs });
}

/** As GitHub and Gitea write them. */
function comments(first: number, count: number): object[] {
  return Array.from({ length: count }, (_, index) => ({
    user: { login: "ada" },
    created_at: "2026-01-02T03:04:05Z",
    body: `comment ${String(first + index)}`,
  }));
}

function bodies(fetched: FetchedIssue): string[] {
  if ("reason" in fetched) throw new Error(fetched.reason);
  return fetched.issue.comments.map(({ body }) => body);
}

const gitHubIssue = "/api/v3/repos/acme/site/issues/42";
const answered = {
  title: "It breaks",
  body: "Always.",
  state: "open",
  labels: [{ name: "bug" }, "old"],
  comments: 0,
};

describe("GitHub", () => {
  test("an issue is read with the token, and its comments", async () => {
    api.answer(gitHubIssue, { body: { ...answered, comments: 2 } });
    api.answer(`${gitHubIssue}/comments?per_page=50&page=1`, { body: comments(1, 2) });
    const fetched = await read("/acme/site/issues/42", hostOf("github"));
    const at = "2026-01-02T03:04:05Z";
    expect(fetched).toEqual({
      issue: {
        title: "It breaks",
        body: "Always.",
        state: "open",
        labels: ["bug", "old"],
        comments: [
          { author: "ada", at, body: "comment 1" },
          { author: "ada", at, body: "comment 2" },
        ],
        earlierComments: 0,
      },
    });
    expect(api.asked.map(({ headers }) => headers.authorization)).toEqual(
      Array(2).fill("Bearer github-secret"),
    );
    expect(api.asked[0]?.headers).toMatchObject({
      accept: "application/vnd.github+json",
      "user-agent": "factory",
    });
  });

  test("of many comments the latest 50 are read, from the last pages", async () => {
    api.answer(gitHubIssue, { body: { ...answered, comments: 120 } });
    api.answer(`${gitHubIssue}/comments?per_page=50&page=2`, { body: comments(51, 50) });
    api.answer(`${gitHubIssue}/comments?per_page=50&page=3`, { body: comments(101, 20) });
    const fetched = await read("/acme/site/pull/42", hostOf("github"));
    const read50 = bodies(fetched);
    expect(read50).toHaveLength(50);
    expect([read50[0], read50[49]]).toEqual(["comment 71", "comment 120"]);
    expect(fetched).toMatchObject({ issue: { earlierComments: 70 } });
  });

  test("a text that isn't there, and an account that is gone, do no harm", async () => {
    api.answer(gitHubIssue, { body: { ...answered, body: null, comments: 1 } });
    api.answer(`${gitHubIssue}/comments?per_page=50&page=1`, {
      body: [{ user: null, created_at: "2026-01-02T03:04:05Z", body: null }],
    });
    expect(await read("/acme/site/issues/42", hostOf("github"))).toMatchObject({
      issue: { body: "", comments: [{ author: "", body: "" }] },
    });
  });

  test("an issue whose comments fail is read without them", async () => {
    api.answer(gitHubIssue, { body: { ...answered, comments: 1 } });
    expect(await read("/acme/site/issues/42", hostOf("github"))).toMatchObject({
      issue: { title: "It breaks", comments: [], commentsFault: expect.stringContaining("404") },
    });
  });
});

describe("GitLab", () => {
  const issue = "/api/v4/projects/group%2Fsub%2Fsite/issues/5";
  const body = {
    title: "It breaks",
    description: "Always.",
    state: "opened",
    labels: ["bug"],
    user_notes_count: 3,
  };
  const note = (text: string, system = false) => ({
    author: { username: "bob" },
    created_at: "2026-01-02T03:04:05Z",
    body: text,
    system,
  });
  const page = (number: number) =>
    `/notes?sort=desc&order_by=created_at&per_page=100&page=${String(number)}`;

  test("an issue of a nested group is read, without what GitLab notes down itself", async () => {
    api.answer(issue, { body });
    const own = Array.from({ length: 98 }, () => note("changed a label", true));
    api.answer(issue + page(1), { body: [note("third"), note("second"), ...own] });
    api.answer(issue + page(2), { body: [note("first")] });
    const fetched = await read("/group/sub/site/-/issues/5", hostOf("gitlab"));
    expect(bodies(fetched)).toEqual(["first", "second", "third"]);
    expect(fetched).toMatchObject({
      issue: { title: "It breaks", body: "Always.", state: "opened", labels: ["bug"] },
    });
    expect(api.asked[0]?.headers.authorization).toBe("Bearer gitlab-secret");
  });

  test("a merge request is read as one", async () => {
    const request = "/api/v4/projects/acme%2Fsite/merge_requests/3";
    api.answer(request, { body: { ...body, user_notes_count: 0 } });
    expect(await read("/acme/site/-/merge_requests/3", hostOf("gitlab"))).toMatchObject({
      issue: { title: "It breaks" },
    });
  });
});

describe("Gitea and Forgejo", () => {
  test("an issue is read with the token, and the latest 50 of all its comments", async () => {
    const issue = "/api/v1/repos/acme/site/issues/9";
    api.answer(issue, { body: { ...answered, labels: [{ name: "bug" }], comments: 60 } });
    api.answer(`${issue}/comments`, { body: comments(1, 60) });
    const fetched = await read("/acme/site/pulls/9", hostOf("gitea"));
    expect(bodies(fetched)[0]).toBe("comment 11");
    expect(fetched).toMatchObject({ issue: { earlierComments: 10, labels: ["bug"] } });
    expect(api.asked[1]?.headers.authorization).toBe("Bearer gitea-secret");
  });

  test("below a path of its host it is asked there", async () => {
    api.answer("/git/api/v1/repos/acme/site/issues/9", { body: answered });
    const host = { ...hostOf("gitea"), url: `${api.url}/git` };
    expect(await read("/git/acme/site/issues/9", host)).toHaveProperty("issue");
  });
});

describe("what can be expected to fail gives a reason", () => {
  test.each([
    [401, "does not accept the token"],
    [403, "does not let the token read it"],
    [404, "has no such issue"],
    [410, "was deleted"],
    [422, "answered 422"],
  ])("%i: %s, and is asked once", async (status, expected) => {
    api.answer(gitHubIssue, { status, body: { message: "no" } });
    const fetched = await read("/acme/site/issues/42", hostOf("github"));
    expect(fetched).toEqual({ reason: expect.stringContaining(expected) });
    expect(api.asked).toHaveLength(1);
  });

  test.each([
    ["429", { status: 429, headers: { "retry-after": "0" } }],
    ["503", { status: 503 }],
    ["a spent limit", { status: 403, headers: { "x-ratelimit-remaining": "0" } }],
  ])("after %s it is asked again", async (_, reply) => {
    api.answer(gitHubIssue, [reply, { body: answered }]);
    expect(await read("/acme/site/issues/42", hostOf("github"))).toHaveProperty("issue");
    expect(api.asked).toHaveLength(2);
  });

  test("a host that asks to wait longer than there is time is told as such", async () => {
    api.answer(gitHubIssue, { status: 429, headers: { "retry-after": "3600" } });
    const fetched = await read("/acme/site/issues/42", hostOf("github"), 300);
    expect(fetched).toEqual({ reason: expect.stringContaining("takes no more requests") });
  });

  test("a host that does not answer is waited for no longer than the time", async () => {
    api.answer(gitHubIssue, "hang");
    const fetched = await read("/acme/site/issues/42", hostOf("github"), 300);
    expect(fetched).toEqual({ reason: expect.stringContaining("within 0.3 s") });
  });

  test("a host that can't be reached is told as such", async () => {
    const { url } = api;
    await api.stop();
    const host = hostOf("github");
    const options = { signal: new AbortController().signal };
    expect(await fetchIssue(`${url}/acme/site/issues/42`, [host], options)).toEqual({
      reason: expect.stringContaining("ECONNREFUSED"),
    });
    api = await startIssueHost();
  });

  test("a redirect on the host is followed", async () => {
    api.answer(gitHubIssue, {
      status: 301,
      headers: { location: "/api/v3/repositories/1/issues/42" },
    });
    api.answer("/api/v3/repositories/1/issues/42", { body: answered });
    expect(await read("/acme/site/issues/42", hostOf("github"))).toHaveProperty("issue");
  });

  test("a redirect to another host is not, and that host sees no token", async () => {
    const other = await startIssueHost();
    try {
      api.answer(gitHubIssue, { status: 302, headers: { location: `${other.url}/x` } });
      const fetched = await read("/acme/site/issues/42", hostOf("github"));
      expect(fetched).toEqual({ reason: expect.stringContaining("does not get its token") });
      expect(other.asked).toEqual([]);
    } finally {
      await other.stop();
    }
  });

  test("redirects in a circle end", async () => {
    api.answer(gitHubIssue, { status: 302, headers: { location: gitHubIssue } });
    const fetched = await read("/acme/site/issues/42", hostOf("github"));
    expect(fetched).toEqual({ reason: expect.stringContaining("without end") });
  });

  test.each([
    ["<html>sign in</html>", "no JSON"],
    [{ message: "hello" }, "another form: title"],
    [{ ...answered, body: "x".repeat(5 * 1024 * 1024) }, "more than 4 MiB"],
  ])("an answer that is no issue is refused", async (body, expected) => {
    api.answer(gitHubIssue, { body });
    const fetched = await read("/acme/site/issues/42", hostOf("github"));
    expect(fetched).toEqual({ reason: expect.stringContaining(expected) });
  });

  test("without a token, on an unknown host, or where it is no issue, nothing is asked", async () => {
    const known = hostOf("github");
    const without = { ...known, token: undefined };
    const options = { signal: new AbortController().signal };
    expect(await read("/acme/site/issues/42", without)).toEqual({
      reason: expect.stringContaining("GITHUB_TOKEN"),
    });
    expect(await fetchIssue("https://tracker.test/a/b/issues/1", [known], options)).toEqual({
      reason: expect.stringContaining("tracker.test is none of the hosts"),
    });
    expect(await read("/acme/site/wiki/42", known)).toEqual({
      reason: expect.stringContaining("no address of an issue"),
    });
    expect(await fetchIssue("#42", [known], options)).toHaveProperty("reason");
    expect(await read("/a/b/c/issues/42", known)).toHaveProperty("reason");
    expect(api.asked).toEqual([]);
  });

  test("who calls it off is told so", async () => {
    api.answer(gitHubIssue, "hang");
    const control = new AbortController();
    const fetching = fetchIssue(`${api.url}/acme/site/issues/42`, [hostOf("github")], control);
    control.abort(new Error("cancelled"));
    await expect(fetching).rejects.toThrow("cancelled");
  });

  test("and so is who calls it off between two tries", async () => {
    const control = new AbortController();
    const limited = { status: 429, headers: { "retry-after": "3600" }, body: "wait" };
    api.answer(gitHubIssue, { ...limited, isEndless: true });
    const fetching = fetchIssue(`${api.url}/acme/site/issues/42`, [hostOf("github")], control);
    await api.untilLeft();
    control.abort(new Error("cancelled"));
    await expect(fetching).rejects.toThrow("cancelled");
  });
});
