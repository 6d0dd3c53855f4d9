import { expect, test } from "@jest/globals";
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
