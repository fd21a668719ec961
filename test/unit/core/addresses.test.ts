import { expect, test } from "bun:test";
import { holderOf, inRanges, isRange, parseAddress } from "../../../src/core/addresses.ts";

test.each([
  ["203.0.113.7", "203.0.113.7"],
  ["::ffff:203.0.113.7", "203.0.113.7"],
  ["::FFFF:cb00:7107", "203.0.113.7"],
  ["2001:DB8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["fe80::1%eth0", "fe80::/64"],
  ["::1", "::/64"],
])("the holder of %p is %p", (address, holder) => {
  expect(holderOf(address)).toBe(holder);
});

test.each([
  "",
  "localhost",
  "127.1",
  "0x7f000001",
  "2130706433",
  "017.0.0.1",
  "1.2.3.4.5",
  "256.1.1.1",
  "1.2.3.4:80",
])("%p is no address", (text) => {
  expect(parseAddress(text)).toBeNull();
  expect(holderOf(text)).toBeNull();
  expect(inRanges(["0.0.0.0/0", "::/0"])(text)).toBe(false);
});

test.each([
  ["loopback", "127.9.9.9", true],
  ["loopback", "::1", true],
  ["loopback", "::ffff:127.0.0.1", true],
  ["loopback", "10.0.0.1", false],
  ["Private", "10.1.2.3", true],
  ["private", "172.16.0.1", true],
  ["private", "192.168.1.1", true],
  ["private", "fd00::1", true],
  ["private", "fe80::1", true],
  ["private", "172.32.0.1", false],
  ["private", "127.0.0.1", false],
  ["10.0.0.0/8", "10.255.0.1", true],
  ["10.0.0.0/8", "11.0.0.1", false],
  ["10.0.0.0/8", "::ffff:10.0.0.1", true],
  ["203.0.113.7", "203.0.113.7", true],
  ["203.0.113.7", "203.0.113.8", false],
  ["2001:db8::/32", "2001:db8:ffff::1", true],
  ["2001:db8::/32", "10.0.0.1", false],
  ["0.0.0.0/0", "2001:db8::1", false],
])("%p holds %p: %p", (range, address, expected) => {
  expect(inRanges([range])(address)).toBe(expected);
});

test.each([
  "",
  "public",
  "10.0.0.0/33",
  "10.0.0.0/-1",
  "10.0.0.0/",
  "10.0.0.0/8/8",
  "::/129",
  "proxy.example",
  "10.0/8",
])("%p is no range", (text) => {
  expect(isRange(text)).toBe(false);
  expect(() => inRanges([text])).toThrow("Expected an address or a range");
});

test("without ranges nothing is in them", () => {
  expect(inRanges([])("127.0.0.1")).toBe(false);
});
