import { expect, test } from "bun:test";
import { networkInterfaces } from "node:os";
import { isPublic } from "../../../src/net/addresses.ts";

test.each([
  ["loopback", "127.0.0.1"],
  ["loopback that is not the first", "127.8.9.1"],
  ["IPv6 loopback", "::1"],
  ["the unspecified address", "0.0.0.0"],
  ["IPv6's unspecified address", "::"],
  ["this network", "0.1.2.3"],
  ["private, 10/8", "10.1.2.3"],
  ["private, 172.16/12", "172.31.255.254"],
  ["private, 192.168/16", "192.168.0.1"],
  ["shared by a carrier's customers", "100.64.0.1"],
  ["Alibaba's metadata", "100.100.100.200"],
  ["link-local, where metadata lives", "169.254.169.254"],
  ["AWS's metadata on IPv6", "fd00:ec2::254"],
  ["Azure's platform", "168.63.129.16"],
  ["Oracle's metadata", "192.0.0.192"],
  ["benchmarking", "198.18.0.1"],
  ["documentation", "203.0.113.7"],
  ["multicast", "224.0.0.1"],
  ["broadcast", "255.255.255.255"],
  ["reserved", "240.0.0.1"],
  ["6to4 relays", "192.88.99.1"],
  ["unique local", "fc00::1"],
  ["IPv6 link-local", "fe80::1"],
  ["IPv6 link-local with a zone", "fe80::1%eth0"],
  ["site-local", "fec0::1"],
  ["IPv6 multicast", "ff02::1"],
  ["IPv6 documentation", "2001:db8::1"],
  ["mapped loopback", "::ffff:127.0.0.1"],
  ["mapped loopback in hex", "::ffff:7f00:1"],
  ["mapped public", "::ffff:8.8.8.8"],
  ["compatible loopback", "::127.0.0.1"],
  ["compatible loopback in hex", "::7f00:1"],
  ["translated loopback", "::ffff:0:127.0.0.1"],
  ["NAT64 of loopback", "64:ff9b::7f00:1"],
  ["NAT64 of a private address", "64:ff9b::192.168.1.1"],
  ["NAT64 with a local prefix", "64:ff9b:1::8.8.8.8"],
  ["6to4 of loopback", "2002:7f00:1::1"],
  ["Teredo", "2001:0:4136:e378:8000:63bf:3fff:fdd2"],
  ["outside of what is assigned", "4000::1"],
  ["a name", "localhost"],
  ["nothing", ""],
])("%s is not public: %s", (_, address) => {
  expect(isPublic(address)).toBe(false);
});

test.each(["8.8.8.8", "1.1.1.1", "100.63.255.255", "172.32.0.1", "2606:4700:4700::1111", "64:ff9b::8.8.8.8"])(
  "%s is public",
  (address) => {
    expect(isPublic(address)).toBe(true);
  },
);

test("an address of this machine is not public", () => {
  const own = Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? []);
  expect(own.length).toBeGreaterThan(0);
  for (const address of own) expect([address, isPublic(address)]).toEqual([address, false]);
});
