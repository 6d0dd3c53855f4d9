// The words of git, as they came from it: the code, and the lines that a person needs.
import { expect, test } from "@jest/globals";
import { explainHost, explainRemote, GitFailure } from "../../../src/git/failure.ts";

const said = (words: string) => new GitFailure("fetch", 128, words);

test.each([
  [
    "REMOTE_AUTH_FAILED",
    "fatal: detected dubious ownership in repository at '/srv/a.git'; To add an exception for this directory, call:; git config --global --add safe.directory /srv/a.git",
    "fatal: detected dubious ownership in repository at '/srv/a.git'\nTo add an exception for this directory, call:\n\n\tgit config --global --add safe.directory /srv/a.git\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.\n",
  ],
  [
    "REMOTE_UNREACHABLE",
    "error: RPC failed; HTTP 500 curl 22 The requested URL returned error: 500)",
    "error: RPC failed; HTTP 500 curl 22 The requested URL returned error: 500\nfatal: the remote end hung up unexpectedly\n",
  ],
  [
    "REMOTE_UNREACHABLE",
    "remote: aborting due to possible repository corruption on the remote side.)",
    "From http://h/a\nReceiving objects:  10% (1/10)\rremote: Enumerating objects: 3, done.\nremote: aborting due to possible repository corruption on the remote side.\0\nfatal: early EOF\nfatal: fetch-pack: invalid index-pack output\n",
  ],
  [
    "REMOTE_UNREACHABLE",
    "ssh: connect to host h port 22: Connection refused)",
    "ssh: connect to host h port 22: Connection refused\r\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.\n",
  ],
  ["REMOTE_UNREACHABLE", "fatal: early EOF)", "fatal: early EOF\n"],
  [
    "HOST_FAILURE",
    "error: unable to write file objects/12/34: No space left on device)",
    "error: unable to write file objects/12/34: No space left on device\nfatal: unpack-objects failed\n",
  ],
  [
    "REMOTE_UNREACHABLE",
    "remote: fatal: write error: No space left on device)",
    "remote: fatal: write error: No space left on device\nfatal: the remote end hung up unexpectedly\n",
  ],
  [
    "NOT_SUPPORTED",
    "fatal: mismatched algorithms: client sha1; server sha256)",
    "fatal: mismatched algorithms: client sha1; server sha256\n",
  ],
])("%s: %s", (code, words, stderr) => {
  const { code: found, message } = explainRemote(said(stderr));
  expect(message).toContain(`(git said: ${words}`);
  expect(found).toBe(code);
});

test("a disk that is full at the remote is none that is full here", () => {
  expect(explainHost(said("remote: error: No space left on device"))).toBeUndefined();
});
