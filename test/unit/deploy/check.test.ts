import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { checkManifests } from "../../../deploy/check/check.ts";

const manifests = join(import.meta.dirname, "..", "..", "..", "deploy", "kubernetes");
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "factory-manifests-"));
  cpSync(manifests, folder, { recursive: true });
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function change(file: string, from: string, to: string): void {
  const path = join(folder, file);
  const text = readFileSync(path, "utf8");
  if (!text.includes(from)) throw new Error(`${file} has no ${from}`);
  writeFileSync(path, text.replace(from, to));
}

describe("the manifests' check", () => {
  test("finds nothing wrong with those that there are", async () => {
    expect(await checkManifests(folder)).toEqual([]);
  });

  test.each([
    ["a missing field", "api.yaml", "  selector:\n    matchLabels:", "  x:", /required.*selector/],
    ["a misspelt field", "api.yaml", "replicas:", "replica:", /"replica".* does not exist/],
    [
      "a misspelt field deep inside",
      "runner.yaml",
      "readOnlyRootFilesystem:",
      "readonlyRootFilesystem:",
      /"readonlyRootFilesystem".* does not exist/,
    ],
    ["a value that is none", "runner.yaml", "storage: 100Gi", "storage: 100Go", /quantity/],
    ["a text for a number", "api.yaml", "containerPort: 4000", "containerPort: http", /integer/],
    ["an unknown field of KEDA's", "autoscaling.yaml", "maxReplicaCount", "maxReplicas", /exist/],
    ["a number for a text of KEDA's", "autoscaling.yaml", '"1"', "1", /targetQueryValue.*string/],
    ["a kind that is none", "api.yaml", "kind: Deployment", "kind: Deploy", /no schema/],
    ["no YAML", "api.yaml", "kind: Deployment", "kind: [", /api.yaml: /],
    [
      "a selector of no pods",
      "api.yaml",
      "selector:\n    app.",
      "selector:\n    my.",
      /0 workloads/,
    ],
    [
      "a target that isn't there",
      "autoscaling.yaml",
      "name: factory-runner\n  #",
      "name: a\n  #",
      /no StatefulSet a/,
    ],
    [
      "a secret that no example shows",
      "runner.yaml",
      "name: factory-agents",
      "name: mine",
      /Secret mine/,
    ],
    [
      "a mounted secret that no example shows",
      "api.yaml",
      "secretName: factory",
      "secretName: mine",
      /Secret mine|not mounted/,
    ],
    [
      "a secret that isn't mounted",
      "api.yaml",
      "- name: secrets\n              mountPath",
      "- name: home\n              mountPath",
      /api.yaml.*not mounted as files/,
    ],
    [
      "a secret in the environment",
      "runner.yaml",
      "name: factory-agents",
      "name: factory",
      /runner.yaml.*stands in the environment/,
    ],
    [
      "a setting in the environment",
      "api.yaml",
      "- name: DATABASE_URL_FILE\n              value: /etc/factory/DATABASE_URL",
      "- name: DATABASE_URL\n              value: postgresql://x",
      /DATABASE_URL stands in the environment/,
    ],
    [
      "a secret's file under another name",
      "runner.yaml",
      "/etc/factory/FACTORY_TOKEN",
      "/etc/factory/token",
      /FACTORY_TOKEN_FILE doesn't name/,
    ],
    [
      "a folder without a limit",
      "runner.yaml",
      "sizeLimit: 16Gi",
      "medium: ''",
      /tmp has no sizeLimit/,
    ],
    [
      "pods that anybody may reach",
      "network.yaml",
      "component: runner",
      "component: api",
      /runner.yaml.*no NetworkPolicy/,
    ],
    [
      "a policy of no pods",
      "network.yaml",
      "component: api",
      "component: web",
      /network.yaml.*0 workloads/,
    ],
    [
      "a file that is not applied",
      "kustomization.yaml",
      "  - runner.yaml\n",
      "",
      /runner.yaml is not/,
    ],
    [
      "a misspelt field of a patch",
      "sandbox/runner.yaml",
      "hostUsers:",
      "hostUser:",
      /sandbox\/runner.yaml.*"hostUser".* does not exist/,
    ],
    [
      "a patch of nothing",
      "sandbox/runner.yaml",
      "name: factory-runner",
      "name: runner",
      /no StatefulSet runner to be patched/,
    ],
    [
      "a patch that isn't there",
      "sandbox/kustomization.yaml",
      "runner.yaml",
      "api.yaml",
      /sandbox\/kustomization.yaml: there is no api.yaml/,
    ],
    [
      "a sandbox in a pod with the node's users",
      "sandbox/runner.yaml",
      "hostUsers: false",
      "hostUsers: true",
      /needs hostUsers: false/,
    ],
    [
      "a sandbox under the runtime's filter of system calls",
      "sandbox/runner.yaml",
      "seccompProfile:\n          type: Unconfined",
      "seccompProfile:\n          type: RuntimeDefault",
      /needs seccompProfile with the type/,
    ],
    [
      "a sandbox whose /proc is covered in part",
      "sandbox/runner.yaml",
      "procMount: Unmasked",
      "procMount: Default",
      /needs procMount: Unmasked/,
    ],
    [
      "a sandbox that the plain pod can't have",
      "runner.yaml",
      'value: "8"',
      'value: "8"\n            - name: FACTORY_SANDBOX\n              value: required',
      /^runner.yaml.*needs hostUsers: false/,
    ],
    [
      "a file that isn't there",
      "kustomization.yaml",
      "- api.yaml",
      "- api.yaml\n  - web.yaml",
      /no web.yaml/,
    ],
  ])("tells of %s", async (_what, file, from, to, told) => {
    change(file, from, to);

    expect(await checkManifests(folder)).toContainEqual(expect.stringMatching(told));
  });
});
