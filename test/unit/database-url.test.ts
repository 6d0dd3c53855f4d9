import { afterEach, expect, jest, test } from "@jest/globals";
import pg from "pg";
import { findUrlMistake, readableUrl } from "../../src/database-url.ts";

afterEach(() => {
  jest.restoreAllMocks();
});

test.each([
  "postgresql://u:p@db.example.com:5432/factory",
  "postgres://db/factory",
  "postgresql://u,v:p,w@db/factory",
  "postgresql://u:p@[::1]:5432/factory",
  "postgresql://u:p@db/factory?target_session_attrs=read-write",
  "postgresql://localhost:5432/factory?host=%2Frun%2Fpostgresql",
])("%s is fine", (url) => {
  expect(findUrlMistake(url)).toBeUndefined();
});

test.each([
  ["mysql://x", /must be a postgresql/],
  ["host=db dbname=factory", /must be a postgresql/],
  ["postgresql://u:p@a:5432,b:5432/factory", /several hosts/],
  ["postgresql://u:p@a,b/factory?target_session_attrs=read-write", /several hosts/],
  ["postgresql://a,b,c/factory", /several hosts/],
  ["postgresql://u:p,w@[::1],[::2]:5433/factory", /several hosts/],
  ["postgresql:///factory?host=a,b", /several hosts/],
  ["postgresql:///factory?host=a%2Cb&port=1", /several hosts/],
  ["postgresql:///factory?host=a&host=b", /several hosts/],
  ["postgresql://u:p/w@db/factory", /percent-encode/],
  ["postgresql://u:p@db:x/factory", /percent-encode/],
  ["postgresql://db/factory?target_session_attrs=standby", /target_session_attrs/],
  ["postgresql://db/factory?target_session_attrs=prefer-standby", /target_session_attrs/],
])("%s is refused", (url, mistake) => {
  expect(findUrlMistake(url)).toMatch(mistake);
  expect(findUrlMistake(url)).not.toContain("p,w");
});

test.each([
  ["postgresql://db/f", "postgresql://db/f"],
  ["postgresql://db/f?sslmode=require", "postgresql://db/f?sslmode=verify-full"],
  [
    "postgresql://db/f?a=b%20c&sslmode=prefer&d=e",
    "postgresql://db/f?a=b%20c&sslmode=verify-full&d=e",
  ],
  ["postgresql://db/f?sslmode=verify-ca", "postgresql://db/f?sslmode=verify-full"],
  ["postgresql://db/f?sslmode=no-verify", "postgresql://db/f?sslmode=no-verify"],
  ["postgresql://db/f?sslmode=disable", "postgresql://db/f?sslmode=disable"],
  [
    "postgresql://db/f?sslmode=verify-full&sslrootcert=system",
    "postgresql://db/f?sslmode=verify-full",
  ],
  [
    "postgresql://db/f?uselibpqcompat=true&sslmode=require",
    "postgresql://db/f?uselibpqcompat=true&sslmode=require",
  ],
])("%s is read as %s, without a warning", (url, readable) => {
  const warned = jest.spyOn(process, "emitWarning").mockReturnValue();
  expect(readableUrl(url)).toBe(readable);
  new pg.Client({ connectionString: readableUrl(url) });
  expect(warned).not.toHaveBeenCalled();
});
