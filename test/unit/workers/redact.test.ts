import { describe, expect, test } from "@jest/globals";
import { createRedactor } from "../../../src/workers/redact.ts";
import { createWorkerToken } from "../../../src/workers/token.ts";

function redact(secrets: readonly string[], ...parts: readonly string[]): string {
  const redactor = createRedactor(secrets);
  return parts.map((part) => redactor.push(part)).join("") + redactor.flush();
}

const secret = "sk-0123.45+67(89)";

test("a secret is replaced wherever it stands, as often as it stands there", () => {
  expect(redact([secret], `${secret}a${secret}${secret}b`)).toBe(
    "[redacted]a[redacted][redacted]b",
  );
});

test("a secret is replaced wherever it is split", () => {
  const text = `before ${secret} after`;
  for (let one = 0; one <= text.length; one += 1) {
    for (let two = one; two <= text.length; two += 1) {
      expect(redact([secret], text.slice(0, one), text.slice(one, two), text.slice(two))).toBe(
        "before [redacted] after",
      );
    }
  }
});

test("a secret that comes letter by letter is replaced", () => {
  expect(redact([secret], ...Array.from(`x${secret}y`))).toBe("x[redacted]y");
});

test("what just begins as a secret is shown in the end", () => {
  const redactor = createRedactor([secret]);
  expect(redactor.push(`a ${secret.slice(0, 5)}`)).toBe("a ");
  expect(redactor.heldBytes()).toBe(5);
  expect(redactor.push("other")).toBe(`${secret.slice(0, 5)}other`);
  expect(redactor.heldBytes()).toBe(0);
  expect(redactor.push(secret.slice(0, 5))).toBe("");
  expect(redactor.flush()).toBe(secret.slice(0, 5));
  expect(redactor.flush()).toBe("");
});

test("a secret that begins with its own beginning is found", () => {
  const doubled = "abababab-end";
  expect(redact([doubled], "ab", "abababab-end")).toBe("ab[redacted]");
  expect(redact([doubled], ...Array.from("abababababab-end"))).toBe("abab[redacted]");
});

describe("of a secret that begins with another one", () => {
  const short = "12345678";
  const long = "12345678-and-more";

  test("nothing is shown, wherever it is split", () => {
    for (const secrets of [
      [short, long],
      [long, short],
    ]) {
      for (let at = 0; at <= long.length; at += 1) {
        expect(redact(secrets, long.slice(0, at), long.slice(at))).toBe("[redacted]");
      }
    }
  });

  test("the shorter one is replaced where it isn't the longer one", () => {
    expect(redact([short, long], `${short}-and`)).toBe("[redacted]-and");
    expect(redact([short, long], short, "-and", " so on")).toBe("[redacted]-and so on");
    expect(redact([short, long], short)).toBe("[redacted]");
  });
});

test("a secret inside another one is replaced with it", () => {
  const [inner, outer] = ["23456789", "1234567890"];
  for (let at = 0; at <= outer.length; at += 1) {
    expect(redact([inner, outer], outer.slice(0, at), outer.slice(at))).toBe("[redacted]");
  }
  expect(redact([inner, outer], "123456789", "x")).toBe("1[redacted]x");
});

test("any worker's token is replaced, though nobody named it", () => {
  const { token } = createWorkerToken();
  for (let at = 0; at <= token.length; at += 1) {
    expect(redact([], `a ${token.slice(0, at)}`, `${token.slice(at)} b`)).toBe("a [redacted] b");
  }
  expect(redact([], "the factory_worker_ of old, factory_worker")).toBe(
    "the factory_worker_ of old, factory_worker",
  );
});

test("short values are words, not secrets", () => {
  expect(redact(["", "a", "yes", "1234567"], "yes, a 1234567")).toBe("yes, a 1234567");
});

test("a word that ends in a letter of a secret's base64 is shown at once", () => {
  const redactor = createRedactor([secret]);
  const encoded = Buffer.from(secret).toString("base64");
  expect(redactor.push(`holding ${encoded.slice(0, 2)}`)).toBe(`holding ${encoded.slice(0, 2)}`);
  expect(redactor.push(encoded.slice(2, 9))).toBe("");
  expect(redactor.push(`${encoded.slice(9)}.`)).toContain("[redacted]");
  expect(redactor.push("a") + redactor.push("b")).toBe("ab");
  // base64 is written in lines, so that one's beginning may be the end of a line.
  expect(redactor.push(` ${encoded.slice(0, 4)}\n`)).toBe(` ${encoded.slice(0, 4)}\n`);
  expect(redactor.push(`${encoded.slice(4)}.`)).toContain("[redacted]");
});

test("what is held is never longer than a secret", () => {
  const redactor = createRedactor([secret]);
  redactor.push(`${"x".repeat(100_000)}${secret.slice(0, -1)}`);
  expect(redactor.heldBytes()).toBe(secret.length - 1);
  redactor.push(secret.slice(0, 3).repeat(1000));
  expect(redactor.heldBytes()).toBeLessThan(secret.length);
});

describe("encodings", () => {
  const secrets = ["p@ss w/rd+%1", "0123456789abcdef-abcdef", "sk-über-geheim"];
  const { token } = createWorkerToken();
  const around = ["", "a", "ab", "abc", "user:"];

  /** Whether any piece of it of eight characters is left. */
  function expectGone(encoded: string, ...pieces: string[]): void {
    const shown = redact(secrets, ...pieces);
    for (let at = 0; at + 12 <= encoded.length; at += 1) {
      expect(shown).not.toContain(encoded.slice(at, at + 12));
    }
  }

  test.each([...secrets, token])(
    "%s in base64, wherever it begins, and however it is cut",
    (one) => {
      for (const before of around) {
        for (const alphabet of ["base64", "base64url"] as const) {
          const encoded = Buffer.from(`${before}${one} and more`).toString(alphabet);
          const inner = Buffer.from(`${before}${one}`)
            .toString("base64")
            .slice(before.length + 3, -4);
          for (let at = 0; at <= encoded.length; at += 5) {
            const shown = redact(secrets, `x ${encoded.slice(0, at)}`, `${encoded.slice(at)} y`);
            expect(shown).toContain("[redacted]");
            expect(shown).not.toContain(inner);
          }
          const lines = `${encoded.slice(0, 11)}\n${encoded.slice(11, 22)}\n${encoded.slice(22)}`;
          expect(redact(secrets, ...Array.from(lines))).toContain("[redacted]");
          expect(redact(secrets, JSON.stringify(lines))).toContain("[redacted]");
        }
      }
    },
  );

  test.each(secrets)("%s url-encoded, in lower case, wholly, and as JSON has it", (one) => {
    const encoded = encodeURIComponent(one);
    const all = [...Buffer.from(one)].map((byte) => `%${byte.toString(16)}`).join("");
    for (const spelling of [
      encoded,
      encoded.replaceAll(/%../g, (code) => code.toLowerCase()),
      all,
      all.toUpperCase(),
      JSON.stringify(one).slice(1, -1),
      String(new URLSearchParams({ one })).slice(4),
    ]) {
      expect(redact(secrets, `<${spelling}>`)).toBe("<[redacted]>");
      for (let at = 0; at <= spelling.length; at += 1) {
        expect(redact(secrets, `<${spelling.slice(0, at)}`, `${spelling.slice(at)}>`)).toBe(
          "<[redacted]>",
        );
      }
      expectGone(spelling, ...Array.from(spelling));
    }
  });

  test("a key of several lines is replaced by its lines", () => {
    const lines = Array.from({ length: 3 }, (_, at) => `${String(at)}abcdefghijklmnop`.repeat(2));
    const key = ["-----BEGIN KEY-----", ...lines, "-----END KEY-----"].join("\n");
    expect(redact([key], lines[2]!)).toBe("[redacted]");
    expect(redact([key], key)).not.toContain("abcdefgh");
  });
});
