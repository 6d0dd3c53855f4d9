// Which proxies are believed in where a request comes from.
import { BlockList, isIP } from "node:net";

/**
 * @param text addresses and CIDR blocks, separated by commas
 * @returns undefined for what is neither an address nor a CIDR block
 */
export function parseProxies(text: string): BlockList | undefined {
  const proxies = new BlockList();
  const entries = text.split(",").map((part) => part.trim());
  for (const entry of entries.filter((part) => part !== "")) {
    const [address = "", prefix, ...rest] = entry.split("/");
    const family = familyOf(address);
    if (family === undefined || rest.length > 0) return undefined;
    if (prefix === undefined) {
      proxies.addAddress(address, family);
      continue;
    }
    if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > (family === "ipv4" ? 32 : 128)) {
      return undefined;
    }
    proxies.addSubnet(address, Number(prefix), family);
  }
  return proxies;
}

/** undefined: it is no address. */
export function familyOf(address: string): "ipv4" | "ipv6" | undefined {
  const version = isIP(address);
  if (version === 0) return undefined;
  return version === 4 ? "ipv4" : "ipv6";
}
