/** IP addresses and ranges of them, as people write them. */
import ipaddr from "ipaddr.js";

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Names for what ipaddr.js calls these. */
const named: Readonly<Record<string, readonly string[]>> = {
  loopback: ["loopback"],
  private: ["private", "uniqueLocal", "linkLocal"],
};

/** An IPv4 address within IPv6 is that address; a zone is dropped. null: `text` is none (`127.1` and `0x7f000001` are not either). */
export function parseAddress(text: string): Address | null {
  const written = text.replace(/%.*$/, "");
  if (!written.includes(":")) {
    return ipaddr.IPv4.isValidFourPartDecimal(written) ? ipaddr.IPv4.parse(written) : null;
  }
  return ipaddr.IPv6.isValid(written) ? ipaddr.process(written) : null;
}

/** Whether an address is in it. */
type Range = (address: Address) => boolean;

/** `loopback`, `private`, an address, or a range like 10.0.0.0/8. null: none of these. */
function parseRange(text: string): Range | null {
  const kinds = named[text.toLowerCase()];
  if (kinds) return (address) => kinds.includes(address.range());
  const [base = "", bits, ...more] = text.split("/");
  const address = parseAddress(base);
  if (!address || more.length > 0) return null;
  const longest = address.kind() === "ipv4" ? 32 : 128;
  const length = bits === undefined ? longest : Number(bits);
  if (bits !== undefined && (!/^\d+$/.test(bits) || length > longest)) return null;
  return (other) => other.kind() === address.kind() && other.match(address, length);
}

export const isRange = (text: string): boolean => parseRange(text) !== null;

/** Tells whether an address is in one of the ranges. Throws for a range that isRange refuses. */
export function inRanges(ranges: readonly string[]): (address: string) => boolean {
  const parsed = ranges.map((text) => {
    const range = parseRange(text);
    if (!range) throw new TypeError(`Expected an address or a range but received ${JSON.stringify(text)}`);
    return range;
  });
  return (text) => {
    const address = parseAddress(text);
    return address !== null && parsed.some((range) => range(address));
  };
}

/** Who has an address, as far as one can tell: an IPv4 address, or the /64 that a provider gives to one customer. */
export function holderOf(text: string): string | null {
  const address = parseAddress(text);
  if (!address) return null;
  if (address.kind() === "ipv4") return address.toString();
  return `${ipaddr.IPv6.networkAddressFromCIDR(`${address.toString()}/64`).toString()}/64`;
}
