/** What the documents tell people to run, is run: blocks that say `run`, against a real server with the demo model. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Browser } from "playwright-core";
import { recording } from "../fixtures/index.ts";
import { type Block, blocksOf, pages } from "../helpers/pages.ts";
import { browserPath, launch, needsBrowser } from "./browser.ts";
import { root, type Server, startServer } from "./server.ts";

setDefaultTimeout(60_000);

let server: Server;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

/** Programs that read their code from stdin. Bun runs what is meant for Node: the packages are ours, and the same. */
const programs: Record<string, readonly string[]> = {
  sh: ["bash", "-e"],
  js: [process.execPath, "run", "-"],
  ts: [process.execPath, "run", "-"],
  python: ["python3", "-"],
};
const hasPython =
  Bun.which("python3") !== null && Bun.spawnSync(["python3", "-c", "import openai"]).exitCode === 0;

/** Blocks to run, each with what it has to print, if the page says so. */
const examples = pages.flatMap((page) => {
  const blocks = blocksOf(page);
  return blocks.flatMap((block, at) => {
    const next = blocks[at + 1];
    return block.mark === "run" ? [{ block, output: next?.mark === "output" ? next : null }] : [];
  });
});
const runnable = examples.filter(({ block }) => hasPython || block.language !== "python");
if (runnable.length < examples.length)
  console.warn(`${examples.length - runnable.length} blocks are not run: python3 has no package openai`);

const here = (text: string) => text.replaceAll("http://localhost:8000", server.url);

async function run({ language, text }: Block): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = Bun.spawn([...(programs[language] ?? [])], {
    cwd: root,
    stdin: Buffer.from(here(text)),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, stdout, stderr };
}

test("there are examples of each kind, and for each a program", () => {
  const languages = new Set(examples.map(({ block }) => block.language));
  expect([...languages].sort()).toEqual(Object.keys(programs).sort());
});

describe("an example runs, and prints what its page says:", () => {
  test.each(runnable.map((example) => [`${example.block.page}:${example.block.line}`, example] as const))(
    "%s",
    async (_, { block, output }) => {
      const { code, stdout, stderr } = await run(block);
      expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).not.toBe("");
      expect(stdout).not.toContain('"error":{');
      if (output?.language === "json") expect(JSON.parse(stdout)).toEqual(JSON.parse(output.text));
      else if (output) expect(stdout.trim()).toBe(output.text.trim());
    },
  );
});

describe.skipIf(browserPath === null)(`in a browser (${needsBrowser})`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch(recording("en-sentence.wav").path);
  });
  afterAll(() => browser.close());

  test("the example in docs/streaming.md shows the text as it comes", async () => {
    const [block] = blocksOf("docs/streaming.md").filter(({ mark }) => mark === "browser");
    const { path, text } = recording("en-segments.mp3");
    const page = await browser.newPage();
    await page.goto(`${server.url}/health`);
    const bytes = (await Bun.file(path).bytes()).toBase64();
    const shown = await page.evaluate(
      `(async () => {
        ${here(block?.text ?? "")}
        const bytes = Uint8Array.from(atob("${bytes}"), (each) => each.charCodeAt(0));
        const shown = [];
        await transcribe(new File([bytes], "a.mp3"), (delta) => shown.push(delta));
        return shown;
      })()`,
    );
    await page.close();
    expect((shown as string[]).join("")).toBe(text);
    expect((shown as string[]).length).toBeGreaterThan(5);
  });

  test("/docs tries a recording out", async () => {
    const page = await browser.newPage();
    await page.goto(`${server.url}/docs`);
    await page.click("#operations-Audio-postV1AudioTranscriptions .opblock-summary");
    await page.click(".try-out__btn");
    await page.setInputFiles("input[type=file]", recording("en-sentence.wav").path);
    await page.click(".execute");
    const answer = page.locator(".live-responses-table .response").first();
    expect(await answer.textContent()).toContain(recording("en-sentence.wav").text);
    await page.close();
  });
});
