// Where a request comes from, as far as that can be believed.
import { isIP, type BlockList } from "node:net";
import { familyOf } from "../trusted-proxies.ts";

export interface Client {
  readonly address: string;
  /** Whether it came by TLS, at least as far as the first proxy. */
  readonly isSecure: boolean;
}

export interface ForwardedHeaders {
  readonly "x-forwarded-for"?: string | undefined;
  readonly "x-forwarded-proto"?: string | undefined;
}

/** @param peer who has connected; undefined: there is no connection, as in a test */
export function clientOf(
  peer: string | undefined,
  headers: ForwardedHeaders,
  proxies: BlockList,
): Client {
  const nearest = plainAddress(peer ?? "");
  if (!isTrusted(nearest, proxies)) return { address: nearest, isSecure: false };
  const [protocol = ""] = (headers["x-forwarded-proto"] ?? "").split(",");
  // Each proxy appends whom it was asked by: what is left of an untrusted one, that one has made up.
  const path = (headers["x-forwarded-for"] ?? "").split(",").map((part) => part.trim());
  let address = nearest;
  for (const hop of path.reverse()) {
    if (isIP(hop) === 0) break;
    address = plainAddress(hop);
    if (!isTrusted(address, proxies)) break;
  }
  return { address, isSecure: protocol.trim().toLowerCase() === "https" };
}

function isTrusted(address: string, proxies: BlockList): boolean {
  const family = familyOf(address);
  return family !== undefined && proxies.check(address, family);
}

/** A socket for both families has IPv4 addresses as ::ffff:127.0.0.1. */
function plainAddress(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  return mapped ?? address;
}
