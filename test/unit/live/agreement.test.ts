import { describe, expect, test } from "bun:test";
import { Agreement, unitsOf } from "../../../src/live/agreement.ts";

/** What is said after each of the transcripts, the last of which is final. */
function said(...transcripts: string[]): string[] {
  const agreement = new Agreement();
  const last = transcripts.pop() ?? "";
  return [...transcripts.map((text) => agreement.add(text)), agreement.finish(last)];
}

test("words keep the space before them; scripts without spaces are characters", () => {
  expect(unitsOf(" Good morning, Anna. ")).toEqual([" Good", " morning,", " Anna."]);
  expect(unitsOf("你好 Anna。")).toEqual(["你", "好", " Anna。"]);
  expect(unitsOf("")).toEqual([]);
});

describe("LocalAgreement", () => {
  test("says what two successive transcripts begin with", () => {
    expect(said(" Set a", " Set a timer", " Set a timer for", " Set a timer for five.")).toEqual([
      "",
      "Set a",
      " timer",
      " for five.",
    ]);
  });

  test("does not say the full stop where the audio breaks off", () => {
    expect(said(" for twenty.", " for twenty.", " for twenty five.", " for twenty five minutes.")).toEqual([
      "",
      "for",
      "",
      " twenty five minutes.",
    ]);
    expect(said(" Hello. How", " Hello. How", " Hello. How are you?")[1]).toBe("Hello. How");
  });

  test("says nothing while they differ", () => {
    expect(said(" Sad", " Set a", " Set the", " Set a timer.")).toEqual(["", "", "Set", " a timer."]);
  });

  test("never takes back: what comes later goes on after the place that corresponds", () => {
    expect(said(" Wait. for", " Wait. for five", " Wait for five minutes.")).toEqual([
      "",
      "Wait. for",
      " five minutes.",
    ]);
    expect(said(" see the sea", " see the sea and", " sea the sea and sun.")[2]).toBe(" and sun.");
  });

  test("goes on where a transcript has lost or found a word among those that were said", () => {
    expect(said(" one two three", " one two three", " one three four")[2]).toBe(" four");
    expect(said(" one three", " one three", " one two three four")[2]).toBe(" four");
  });

  test("says repeated words as often as they are spoken", () => {
    expect(said(" no no", " no no no", " no no no no")).toEqual(["", "no no", " no no"]);
  });

  test("says all at once when there is one transcript only", () => {
    expect(said(" Hello world.")).toEqual(["Hello world."]);
    expect(said("")).toEqual([""]);
  });

  test("adds up to its text, which begins without a space", () => {
    const transcripts = [" 你好", "你好。今天", "你好。今天天气", "你好。今天天气很好。"];
    const agreement = new Agreement();
    const deltas = transcripts.map((text) => agreement.add(text));
    deltas.push(agreement.finish("你好。今天天气很好。"));
    expect(deltas.join("")).toBe(agreement.text);
    expect(agreement.text).toBe("你好。今天天气很好。");
  });

  test("forgets what is no longer heard, and says what follows after it", () => {
    const agreement = new Agreement();
    agreement.add(" One two. Three");
    agreement.add(" One two. Three four");
    expect(agreement.countSaid([" One", " two.", " Three", " four"])).toBe(3);
    agreement.forget(2);
    expect(agreement.add(" Three four five")).toBe(" four");
    expect(agreement.finish(" Three four five.")).toBe(" five.");
    expect(agreement.text).toBe("One two. Three four five.");
  });
});
