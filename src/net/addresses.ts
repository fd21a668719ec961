/** Which addresses lie in the open internet. Everything else is somebody's own network: ours, or the machine's. */
import { networkInterfaces } from "node:os";
import ipaddr from "ipaddr.js";

/** Assigned for use in the open internet; ipaddr.js takes what lies outside of it for unicast too, ::127.0.0.1 for one. */
const globalUnicast = ipaddr.IPv6.parseCIDR("2000::/3");
/** RFC 6052: an IPv4 address in its last four bytes, for hosts that have IPv6 only. */
const nat64 = ipaddr.IPv6.parseCIDR("64:ff9b::/96");

/** Of cloud providers' own services to their machines, in ranges that are public otherwise: Azure's. */
const platform = new Set(["168.63.129.16"]);

/**
 * false: private, loopback, link-local (metadata services among them), shared, multicast, reserved, an IPv4 address dressed as IPv6 of
 * which the same holds, an address of this machine, or no address at all.
 */
export function isPublic(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.parse(address);
  if (parsed instanceof ipaddr.IPv4) return isPublicIPv4(parsed);
  if (parsed.match(nat64)) return isPublicIPv4(new ipaddr.IPv4(parsed.toByteArray().slice(12)));
  return parsed.match(globalUnicast) && parsed.range() === "unicast" && !isOwn(parsed.toNormalizedString());
}

function isPublicIPv4(address: ipaddr.IPv4): boolean {
  const text = address.toString();
  return address.range() === "unicast" && !platform.has(text) && !isOwn(text);
}

/** A firewall before this machine does not stand between it and its own services. */
function isOwn(address: string): boolean {
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return own.some((each) => ipaddr.parse(each.address).toNormalizedString() === address);
}
