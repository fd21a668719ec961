import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { languageName, parseLanguage } from "../../../src/core/languages.ts";

describe("parseLanguage", () => {
  test.each([
    "",
    "auto",
    "xx",
    "klingon",
    "xx-yy",
    "e",
    "en-",
    "-en",
    "en--US",
    "en-toolongsubtag",
    "english-US",
    "de,en",
    "constructor",
    "__proto__",
    "toString",
    "en\0",
    "e n",
    "😀",
  ])("does not know %p", (text) => {
    expect(parseLanguage(text)).toBeNull();
  });

  test("does not know a code with a hundred thousand regions", () => {
    expect(parseLanguage(`en${"-US".repeat(100_000)}`)).toBeNull();
  });

  test.each([
    ["en", "en"],
    ["EN", "en"],
    [" de ", "de"],
    ["English", "en"],
    ["GERMAN", "de"],
    ["haitian creole", "ht"],
    ["Castilian", "es"],
    ["burmese", "my"],
    ["flemish", "nl"],
    ["Mandarin", "zh"],
    ["yue", "yue"],
    ["haw", "haw"],
    ["en-US", "en"],
    ["pt_BR", "pt"],
    ["zh-Hant-TW", "zh"],
    ["jv", "jw"],
    ["nb-NO", "no"],
    ["iw", "he"],
    ["fil-PH", "tl"],
  ])("reads %p as %s", (text, code) => {
    expect(parseLanguage(text)).toBe(code);
  });
});

test("every language of whisper.cpp is known by the same code and name", async () => {
  const source = join(
    import.meta.dir,
    "../../../node_modules/nodejs-whisper/cpp/whisper.cpp/src/whisper.cpp",
  );
  const table = /g_lang = \{([\s\S]*?)\n\};/.exec(await Bun.file(source).text())?.[1] ?? "";
  const languages = [...table.matchAll(/\{ "(\w+)",\s*\{ \d+,\s*"([\w ]+)",\s*\} \}/g)];
  expect(languages.length).toBe(100);
  for (const [, code = "", name = ""] of languages) {
    expect(parseLanguage(code)).toBe(code);
    expect(parseLanguage(name)).toBe(code);
    expect(languageName(code)).toBe(name);
  }
});

test("a code without a name is its own name", () => {
  expect(languageName("xx")).toBe("xx");
  expect(languageName("")).toBe("");
});
