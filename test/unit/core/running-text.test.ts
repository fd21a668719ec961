/** Text that is shown while it is decoded: only what stays, and nothing twice. */
import { describe, expect, test } from "bun:test";
import { RunningText } from "../../../src/core/running-text.ts";
import type { Segment, Token } from "../../../src/core/transcript.ts";
import { testSegment } from "../../helpers/engine.ts";

const options = { logprobThreshold: -1, compressionRatioThreshold: 2.4 };

const tokenOf = (bytes: Uint8Array | string, logprob = -0.1): Token => ({
  id: 1,
  bytes: typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes,
  probability: Math.exp(logprob),
  logprob,
  startMs: null,
  endMs: null,
});

/** Feeds one: "<1.2>" is a timestamp, a number an attempt, a Segment a segment, anything else a token. */
function feed(running: RunningText, what: string | number | Token | Segment): string {
  if (typeof what === "number") {
    running.attempt(what);
    return "";
  }
  if (typeof what === "object" && "tokens" in what) return running.segment(what).text;
  if (typeof what === "object") return running.token(what, null).text;
  const time = /^<(.*)>$/.exec(what)?.[1];
  return time === undefined
    ? running.token(tokenOf(what), null).text
    : running.token(tokenOf(""), Number(time) * 1000).text;
}

function piecesOf(...steps: (string | number | Token | Segment)[]) {
  const running = new RunningText(options);
  const pieces = steps.map((step) => feed(running, step));
  running.end();
  return { pieces, text: pieces.join(""), corrected: running.isCorrected };
}

const segment = (text: string, tokens: readonly Token[] = []) => testSegment(0, text, { tokens });

test("tokens are shown at once, and their segment adds nothing", () => {
  expect(piecesOf(0, "<0>", " Good", " morning", ".", "<1.2>", segment(" Good morning."))).toEqual({
    pieces: ["", "", "Good", " morning", ".", "", ""],
    text: "Good morning.",
    corrected: false,
  });
});

test("without tokens segments are shown, white space at the ends is not", () => {
  expect(piecesOf(segment(" Hello "), segment(" "), segment("world. "))).toEqual({
    pieces: ["Hello", "", "  world."],
    text: "Hello  world.",
    corrected: false,
  });
});

test("a character that is split over tokens is shown when it is whole", () => {
  const [a, b, c] = [...new TextEncoder().encode("零")].map((byte) => tokenOf(new Uint8Array([byte])));
  if (!a || !b || !c) throw new Error("Expected three bytes");
  expect(piecesOf(0, a, b, c, "九", segment("零九")).pieces).toEqual(["", "", "", "零", "九", ""]);
});

test("a second attempt that says the same goes on where the first one was", () => {
  expect(piecesOf(0, " One", " two", 1, " One", " two", " three", segment(" One two three"))).toEqual({
    pieces: ["", "One", " two", "", "", "", " three", ""],
    text: "One two three",
    corrected: false,
  });
});

test("after a second attempt that says something else, the text goes on behind as many words", () => {
  expect(
    piecesOf(
      0,
      " One",
      " tow",
      1,
      " One",
      " two",
      " three",
      segment(" One two three"),
      0,
      " four",
      segment(" four"),
    ),
  ).toEqual({
    pieces: ["", "One", " tow", "", "", "", "", " three", "", " four", ""],
    text: "One tow three four",
    corrected: true,
  });
});

test("what was shown of a window that turns out silent is corrected, and the next one is shown whole", () => {
  expect(piecesOf(0, " Thanks", " for", 0, " Hello", " you", segment(" Hello you"))).toEqual({
    pieces: ["", "Thanks", " for", "", "Hello", " you", ""],
    text: "Thanks forHello you",
    corrected: true,
  });
});

describe("text is held back", () => {
  test("while its mean log-probability is too low", () => {
    const bad = tokenOf(" mumble", -3);
    expect(piecesOf(0, bad, bad, 1, " Hello", segment(" Hello"))).toEqual({
      pieces: ["", "", "", "", "Hello", ""],
      text: "Hello",
      corrected: false,
    });
  });

  test("and shown when the mean has risen", () => {
    expect(piecesOf(0, tokenOf(" Um", -1.5), " yes", " of", segment(" Um yes of")).pieces).toEqual([
      ...["", "", "Um yes", " of", ""],
    ]);
  });

  test("while it repeats itself", () => {
    const again = Array.from({ length: 40 }, () => " again and");
    const { text, corrected } = piecesOf(
      0,
      ...again,
      1,
      " again",
      " and",
      " done",
      segment(" again and done"),
    );
    expect(text.length).toBeLessThan(200);
    expect(corrected).toBe(true);
  });

  test("in a segment that begins late in its window, which may cut it off", () => {
    expect(
      piecesOf(0, "<0>", " One", "<19>", "<26>", " tw", segment(" One"), 0, "<0>", " two", segment(" two")),
    ).toEqual({
      pieces: ["", "", "One", "", "", "", "", "", "", " two", ""],
      text: "One two",
      corrected: false,
    });
  });
});

test("each token comes with the piece that shows it, once", () => {
  const running = new RunningText(options);
  const tokens = [" One", " two", " three"].map((text) => tokenOf(text));
  const [one, two, three] = tokens;
  if (!one || !two || !three) throw new Error("Expected three tokens");
  running.attempt(0);
  expect(running.token(one, null).tokens).toEqual([one]);
  expect(running.token(two, null).tokens).toEqual([two]);
  // the third was not told: the run does not tell what follows its last decision
  expect(running.segment(segment(" One two three", tokens)).tokens).toEqual([three]);
});

test("whatever comes, the pieces of decodings without corrections add up to the text", () => {
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  const words = ["eins", "zwei", "žluť", "零", "🎉", "a", "-", "b."];
  for (let round = 0; round < 300; round += 1) {
    const steps: (string | number | Segment)[] = [];
    let whole = "";
    for (let window = 0; window < 1 + random(3); window += 1) {
      const said = Array.from({ length: random(6) }, () => ` ${words[random(words.length)]}`);
      for (let attempt = 0; attempt <= random(3); attempt += 1) {
        steps.push(attempt, `<${random(30)}>`, ...said.slice(0, random(said.length + 1)));
      }
      if (said.length > 0) steps.push(segment(said.join("")));
      whole += said.join("");
    }
    const { text, corrected } = piecesOf(...steps);
    expect({ text, corrected }).toEqual({ text: whole.trim(), corrected: false });
  }
});
