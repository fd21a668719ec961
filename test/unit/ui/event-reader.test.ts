import { expect, test } from "bun:test";
import { EventReader } from "../../../src/modules/ui/page/event-reader.ts";

const stream = `: ping\r\n\r\ndata: {"a":1}\r\n\r\ndata: {"b":"x\\ny"}\r\n\r\ndata: [DONE]\r\n\r\n`;

test("events are the same wherever the body is cut", () => {
  for (let cut = 0; cut <= stream.length; cut += 1) {
    const events: unknown[] = [];
    const reader = new EventReader((event) => events.push(event));
    reader.push(stream.slice(0, cut));
    reader.push(stream.slice(cut));
    expect([cut, events, reader.isDone]).toEqual([cut, [{ a: 1 }, { b: "x\ny" }], true]);
  }
});

test("a stream that has broken off is not done, and half an event is none", () => {
  const events: unknown[] = [];
  const reader = new EventReader((event) => events.push(event));
  reader.push(`data: {"a":1}\n\ndata: {"b"`);
  expect([events, reader.isDone]).toEqual([[{ a: 1 }], false]);
});

test("what is no JSON is an error, not silence", () => {
  expect(() => new EventReader(() => {}).push("data: <html>\n")).toThrow(SyntaxError);
});
