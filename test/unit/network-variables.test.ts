import { expect, test } from "@jest/globals";
import { buildGitEnvironment } from "../../src/git/environment.ts";
import { proxyCredentials } from "../../src/network-variables.ts";

test("what stands for user and password in the urls of proxies is a secret", () => {
  expect(
    proxyCredentials({
      HTTPS_PROXY: "http://ada:p%40ssword@proxy.example.org:3128",
      all_proxy: "socks5h://token-alone@proxy",
      http_proxy: "bob:with%broken@proxy:3128",
      no_proxy: "localhost,a@b",
      HTTP_PROXY: "http://proxy.example.org:3128/",
    }).toSorted(),
  ).toEqual(
    [
      ...["ada:p%40ssword", "p%40ssword", "p@ssword"],
      ...["token-alone", "token-alone", "token-alone"],
      ...["bob:with%broken", "with%broken", "with%broken"],
    ].toSorted(),
  );
});

test("the server's git gets its proxies and certificates, and nothing that runs a command", () => {
  const source = {
    https_proxy: "http://proxy:1",
    HTTP_PROXY: "http://proxy:2",
    all_proxy: "socks5h://proxy:3",
    NO_PROXY: "localhost",
    GIT_SSL_CAINFO: "/ca.pem",
    SSL_CERT_FILE: "/ca.pem",
    NODE_EXTRA_CA_CERTS: "/ca.pem",
  };
  const hostile = { GIT_PROXY_COMMAND: "/evil", GIT_SSH: "/evil", GIT_EXEC_PATH: "/evil" };
  const environment = buildGitEnvironment({ ...source, ...hostile, HTTPS_PROXY: "" }, ["https"]);
  expect(environment).toMatchObject(source);
  for (const name of [...Object.keys(hostile), "HTTPS_PROXY"]) {
    expect(environment).not.toHaveProperty(name);
  }
});
