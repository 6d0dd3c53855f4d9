const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Text that Postgres can hold: bytes that are no UTF-8 become U+FFFD, and so does NUL, which its
 * text type refuses.
 */
export function decodeStorable(bytes: Uint8Array): string {
  return decoder.decode(bytes).replaceAll("\0", "\uFFFD");
}

/**
 * How many bytes at the end begin a character whose rest is yet to come, 0 to 3. Bytes that no rest
 * could make valid are not counted: they are decoded as they are, and nothing waits for them.
 */
export function countUnfinished(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const lead = bytes[bytes.length - back] ?? 0;
    if (isContinuation(lead)) {
      continue;
    }
    if (back >= lengthByLead(lead)) {
      return 0;
    }
    const second = bytes[bytes.length - back + 1];
    return second === undefined || maySecondFollow(lead, second) ? back : 0;
  }
  return 0;
}

function isContinuation(byte: number): boolean {
  return byte >= 0x80 && byte <= 0xbf;
}

/** C0, C1 and F5 to FF begin no character (RFC 3629), so they are complete as they are, and wrong. */
function lengthByLead(lead: number): number {
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  return 1;
}

/** RFC 3629, section 4: these leads narrow the second byte (overlong forms, surrogates, the end). */
function maySecondFollow(lead: number, second: number): boolean {
  switch (lead) {
    case 0xe0:
      return second >= 0xa0;
    case 0xed:
      return second <= 0x9f;
    case 0xf0:
      return second >= 0x90;
    case 0xf4:
      return second <= 0x8f;
    default:
      return true;
  }
}
