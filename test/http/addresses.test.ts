import { expect, test } from "bun:test";
import { createAddressOf } from "../../src/http/addresses.ts";

function addressOf(trusted: string[], peer: string | null, forwardedFor?: string): string {
  const request = new Request("http://localhost/", {
    headers: forwardedFor === undefined ? {} : { "x-forwarded-for": forwardedFor },
  });
  const requestIP = () => (peer === null ? null : { address: peer, family: "IPv4" as const, port: 1 });
  return createAddressOf(trusted)(request, { requestIP });
}

test("the client is the other end of the connection, whatever it writes", () => {
  expect(addressOf([], "203.0.113.7")).toBe("203.0.113.7");
  expect(addressOf([], "203.0.113.7", "1.1.1.1")).toBe("203.0.113.7");
  expect(addressOf(["10.0.0.0/8"], "203.0.113.7", "1.1.1.1")).toBe("203.0.113.7");
  expect(addressOf([], "::ffff:203.0.113.7")).toBe("203.0.113.7");
});

test("behind proxies it is the last one that none of them is", () => {
  const trusted = ["10.0.0.0/8", "loopback"];
  expect(addressOf(trusted, "10.0.0.1", "203.0.113.7")).toBe("203.0.113.7");
  expect(addressOf(trusted, "127.0.0.1", "203.0.113.7, 10.0.0.2,10.0.0.1")).toBe("203.0.113.7");
  // what the client has written itself stands before
  expect(addressOf(trusted, "10.0.0.1", "1.1.1.1, 127.0.0.1, 203.0.113.7")).toBe("203.0.113.7");
  expect(addressOf(trusted, "10.0.0.1", "203.0.113.7:4711")).toBe("203.0.113.7");
  expect(addressOf(trusted, "10.0.0.1", "[2001:db8::7]:4711")).toBe("2001:db8::/64");
  expect(addressOf(trusted, "10.0.0.1", "2001:db8::7")).toBe("2001:db8::/64");
});

test("what is no address ends the search at the proxy that passed it on", () => {
  for (const header of [undefined, "", ",", "unknown", "_hidden", "evil", "1.2.3", "203.0.113.7, x"]) {
    expect([header, addressOf(["10.0.0.0/8"], "10.0.0.1", header)]).toEqual([header, "10.0.0.1"]);
  }
  expect(addressOf(["10.0.0.0/8"], "10.0.0.1", "x, 10.0.0.2")).toBe("10.0.0.2");
  expect(addressOf(["10.0.0.0/8"], "10.0.0.1", "10.0.0.3, 10.0.0.2")).toBe("10.0.0.3");
});

test("without a connection all are one", () => {
  expect(addressOf(["loopback"], null, "203.0.113.7")).toBe("unknown");
});
