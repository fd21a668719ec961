import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import axe from "axe-core";
import type { Browser, Page } from "playwright-core";
import { recording } from "../fixtures/index.ts";
import { browserPath, launch, needsBrowser, type Visit, visit } from "./browser.ts";
import { idle, running } from "./requests.ts";
import { type Server, startServer } from "./server.ts";

const long = recording("en-long-95s.mp3");
const segments = recording("en-segments.wav");
const german = recording("de-digits.wav");

/** Of a test, on a machine with much else to do. */
const limitMs = 90_000;

/** The same recordings are sent again and again, to be watched while they are transcribed. */
const withoutCache = { CACHE_MAX_BYTES: "0" };

let browser: Browser;
let server: Server;

const choose = (page: Page, ...paths: string[]) => page.locator("input[type=file]").setInputFiles(paths);
const status = (page: Page) => page.locator(".reader-status");
const isDone = (page: Page) => page.locator(".reader[data-phase=done]").waitFor();
const textOf = async (page: Page) => (await page.locator(".segment .text").allTextContents()).join(" ");
const row = (page: Page, name: string) => page.locator(".row", { hasText: name });

/** Notes, from the start on, what is shown of the status and how much text there is. */
const notes = `
  const notes = [];
  globalThis.notes = notes;
  addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
    const length = document.querySelector(".transcript")?.innerText.length ?? 0;
    const status = document.querySelector(".reader-status")?.textContent ?? "";
    const last = notes.at(-1);
    if (last?.length !== length || last?.status !== status) notes.push({ status, length });
  }).observe(document, { subtree: true, childList: true, characterData: true }));
`;
/** Notes the words that are marked as heard, in order. */
const listens = `
  const heard = [];
  globalThis.heard = heard;
  addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
    const word = document.querySelector(".is-spoken")?.textContent;
    if (word && heard.at(-1) !== word) heard.push(word);
  }).observe(document, { subtree: true, attributes: true }));
`;
const spoken = (page: Page) =>
  page.evaluate(() => (globalThis as unknown as { heard: string[] }).heard.join(" "));
const isSpoken = (page: Page, words: string) =>
  page.waitForFunction(
    (wanted) => (globalThis as unknown as { heard: string[] }).heard.join(" ").includes(wanted),
    words,
  );

/** What an earlier visit has left: tasks are wanted. */
const keepsTasksOn = `localStorage.setItem("whisper-api.options", JSON.stringify({ background: true }));`;

interface Note {
  readonly status: string;
  readonly length: number;
}
const noted = (page: Page) => page.evaluate(() => (globalThis as unknown as { notes: Note[] }).notes);

/** Makes the way to the server slow, so that an upload can be watched; the result makes it as fast as it was. */
async function slowUpload({ context, page }: Visit, bytesPerSecond: number): Promise<() => Promise<void>> {
  const session = await context.newCDPSession(page);
  await session.send("Network.emulateNetworkConditions", {
    ...{ offline: false, latency: 0, downloadThroughput: -1 },
    uploadThroughput: bytesPerSecond,
  });
  return () => session.detach();
}

/** The same recording in noise of this amplitude, in which the model is in doubt. */
async function noisy(path: string, amplitude: number): Promise<Buffer> {
  const bytes = await readFile(path);
  let state = 1;
  for (let at = 44; at + 1 < bytes.length; at += 2) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const value = bytes.readInt16LE(at) + (state / 2 ** 31 - 1) * amplitude;
    bytes.writeInt16LE(Math.round(Math.max(-32768, Math.min(32767, value))), at);
  }
  return bytes;
}

/** What is inaccessible in the page as it is now. */
async function violations(page: Page): Promise<string[]> {
  const found = await page.evaluate(() =>
    (globalThis as unknown as { axe: typeof axe }).axe.run({
      runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"],
      preload: false, // it would break the page's policy
    }),
  );
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}

describe.skipIf(browserPath === null)(`The page (${needsBrowser})`, () => {
  beforeAll(async () => {
    [browser, server] = await Promise.all([launch(segments.path), startServer({ env: withoutCache })]);
  }, limitMs);

  afterAll(async () => {
    await browser?.close();
    await server?.[Symbol.asyncDispose]();
  });

  test(
    "sends a recording, telling how far it is, and lets its text grow while it is decoded",
    async () => {
      await using visited = await visit(browser, server.url, notes);
      const { page } = visited;
      await slowUpload(visited, 600_000);
      await choose(page, long.path);
      await isDone(page);
      const seen = await noted(page);
      const sent = seen.flatMap(({ status }) => /^Uploading, (\d+)/.exec(status)?.slice(1).map(Number) ?? []);
      expect(sent.some((percent) => percent > 0 && percent < 100)).toBe(true);
      const growth = seen.filter(({ status }) => status.startsWith("Transcribing"));
      expect(new Set(growth.map(({ length }) => length)).size).toBeGreaterThan(4);
      expect(growth.some(({ status }) => / of 1:3\d$/.test(status))).toBe(true);
      expect(await textOf(page)).toBe(long.model_output.transcribe);
      expect(await status(page).textContent()).toMatch(/^1:34 · English · \d+ words/);
    },
    limitMs,
  );

  test(
    "plays from the word that is clicked and marks what is heard; keys do the same",
    async () => {
      await using visited = await visit(browser, server.url, listens);
      const { page } = visited;
      await choose(page, segments.path);
      await isDone(page);
      const pause = page.getByRole("button", { name: "Pause" });
      await page.locator(".word", { hasText: "weather" }).click();
      await isSpoken(page, "Paris"); // it goes on
      await pause.click();
      expect(await spoken(page)).toStartWith("weather in Paris");
      expect(await page.locator(".is-here, .is-spoken").count()).toBeLessThanOrEqual(2);

      const stamps = page.getByRole("button", { name: /^Play from/ });
      await stamps.first().focus();
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("ArrowDown");
      expect(await page.locator(":focus").textContent()).toBe("0:05");
      await page.keyboard.press("Enter");
      await isSpoken(page, "Set a timer");
      await pause.click();
      await stamps.last().focus();
      await page.keyboard.press("ArrowRight");
      await isSpoken(page, "Thank");
    },
    limitMs,
  );

  test(
    "saves the very files that the server would have sent, without asking it again",
    async () => {
      await using visited = await visit(browser, server.url);
      const { page } = visited;
      await choose(page, segments.path);
      await isDone(page);
      const asked: string[] = [];
      page.on("request", (request) => asked.push(request.url()));
      for (const [format, responseFormat] of [
        ["txt", "text"],
        ["srt", "srt"],
        ["vtt", "vtt"],
        ["json", "verbose_json"],
      ] as const) {
        const saving = page.waitForEvent("download");
        await page.getByRole("button", { name: `Download ${format}` }).click();
        const saved = await saving;
        expect(saved.suggestedFilename()).toBe(`en-segments.${format}`);
        const body = new FormData();
        body.append("response_format", responseFormat);
        if (format === "json")
          for (const unit of ["segment", "word"]) body.append("timestamp_granularities[]", unit);
        body.append("file", Bun.file(segments.path));
        const answer = await fetch(`${server.url}/v1/audio/transcriptions`, { method: "POST", body });
        expect(await readFile(await saved.path(), "utf8")).toBe(await answer.text());
      }
      expect(asked.filter((url) => !url.startsWith("blob:"))).toEqual([]);
    },
    limitMs,
  );

  test(
    "underlines the words that the model is not sure of",
    async () => {
      await using visited = await visit(browser, server.url);
      const { page } = visited;
      const buffer = await noisy(segments.path, 6000);
      await page
        .locator("input[type=file]")
        .setInputFiles({ name: "noisy.wav", mimeType: "audio/wav", buffer });
      await isDone(page);
      const body = new FormData();
      for (const [name, value] of [
        ["response_format", "verbose_json"],
        ["timestamp_granularities[]", "word"],
        ["stream", "true"],
      ] as const)
        body.append(name, value);
      body.append("file", new File([new Uint8Array(buffer)], "noisy.wav"));
      const events = await (
        await fetch(`${server.url}/v1/audio/transcriptions`, { method: "POST", body })
      ).text();
      const words = [...events.matchAll(/\{"word":"([^"]+)"[^}]*"probability":([\d.]+)\}/g)];
      const unsure = words
        .filter(([, , probability]) => Number(probability) < 0.5)
        .map(([, word]) => word ?? "");
      expect(unsure.length).toBeGreaterThan(0);
      expect(unsure.length).toBeLessThan(words.length / 2);
      expect(await page.locator(".word.unsure").allTextContents()).toEqual(unsure);
    },
    limitMs,
  );

  test(
    "writes what is spoken into the microphone while it is spoken, and lets it be heard again",
    async () => {
      await using visited = await visit(browser, server.url, notes);
      const { page } = visited;
      await page.getByRole("button", { name: "Record", exact: true }).click();
      await page.locator(".running", { hasText: /\w/ }).waitFor();
      expect(await status(page).textContent()).toBe("Listening");
      await page.locator(".segment", { hasText: "Good morning Anna." }).waitFor();
      expect(await page.locator(":focus").textContent()).toBe("Stop");
      await page.keyboard.press("Enter");
      await isDone(page);
      expect(await page.locator("h1:focus").count()).toBe(1); // not lost with the button
      await page.getByRole("button", { name: "Play from 0 seconds" }).first().click();
      await page.getByRole("button", { name: "Pause" }).waitFor();
      // What was recorded is a recording like others.
      await page.getByRole("button", { name: "Transcribe again" }).click();
      await page.locator(".word", { hasText: "morning" }).first().waitFor();
      await isDone(page);
      expect(await textOf(page)).toStartWith("Good morning Anna.");
    },
    limitMs,
  );

  test.each([
    ["does not close", "AudioContext.prototype.close = () => new Promise(() => {})"],
    ["does not answer", "MessagePort.prototype.postMessage = () => {}"],
  ])(
    "comes to an end of what was spoken though the browser's audio %s",
    async (_, script) => {
      await using visited = await visit(browser, server.url, script);
      const { page } = visited;
      await page.getByRole("button", { name: "Record", exact: true }).click();
      await page.locator(".segment", { hasText: "Good morning Anna." }).waitFor();
      await page.getByRole("button", { name: "Stop" }).click();
      await isDone(page);
    },
    limitMs,
  );

  test(
    "waits for what was said last, also when a turn before it ends meanwhile",
    async () => {
      await using visited = await visit(browser, server.url);
      const { page } = visited;
      await page.routeWebSocket(/realtime/, (socket) => {
        const tell = (type: string, fields: object) => socket.send(JSON.stringify({ type, ...fields }));
        const turn = (item_id: string, transcript: string) => {
          tell("input_audio_buffer.committed", { item_id });
          tell("conversation.item.input_audio_transcription.completed", { item_id, transcript });
        };
        let isOpen = false;
        socket.onMessage((message) => {
          if (!isOpen) {
            tell("input_audio_buffer.speech_started", { item_id: "first", audio_start_ms: 0 });
            tell("conversation.item.input_audio_transcription.delta", { item_id: "first", delta: "First" });
          }
          isOpen = true;
          if (!String(message).includes("input_audio_buffer.commit")) return;
          tell("input_audio_buffer.speech_stopped", { item_id: "first", audio_end_ms: 1000 });
          turn("first", "First.");
          turn("second", "Second.");
        });
      });
      await page.getByRole("button", { name: "Record", exact: true }).click();
      await page.locator(".running", { hasText: "First" }).waitFor();
      await page.getByRole("button", { name: "Stop" }).click();
      await isDone(page);
      expect((await textOf(page)).trim()).toBe("First. Second.");
    },
    limitMs,
  );

  test(
    "sends several recordings one after the other, with the options of then",
    async () => {
      await using visited = await visit(browser, server.url);
      const { page } = visited;
      await page.getByText("More options").click();
      await page.getByRole("switch", { name: "Translate to English" }).check();
      await page.getByRole("combobox", { name: "Language" }).selectOption({ label: "German" });
      const fields: string[] = [];
      page.on("request", (request) => {
        if (request.method() === "POST") fields.push(new URL(request.url()).pathname);
      });
      await choose(page, german.path, german.path);
      await page.getByRole("switch", { name: "Translate to English" }).uncheck();
      await page.locator(".row[data-phase=done]").nth(1).waitFor();
      await choose(page, german.path);
      await page.locator(".row[data-phase=done]").nth(2).waitFor();
      expect(fields).toEqual(
        ["translations", "translations", "transcriptions"].map((verb) => `/v1/audio/${verb}`),
      );
      expect(await textOf(page)).toBe(german.model_output.transcribe);
      await row(page, german.name).nth(1).getByRole("button").first().click();
      expect(await textOf(page)).toBe(german.model_output.translate);
    },
    limitMs,
  );

  test(
    "cancels an upload and a transcription, on the server too",
    async () => {
      await using visited = await visit(browser, server.url);
      const { page } = visited;
      const speedUp = await slowUpload(visited, 100_000);
      await choose(page, long.path, german.path);
      await page
        .getByText(/^Uploading, [1-9]/)
        .first()
        .waitFor();
      await page.getByRole("button", { name: "Cancel", exact: true }).click();
      expect(await status(page).textContent()).toBe("Cancelled");
      await speedUp();
      await row(page, german.name).and(page.locator("[data-phase=done]")).waitFor(); // the next one
      const first = running(server);
      await page.getByRole("button", { name: "Transcribe again" }).click();
      await first;
      await page.getByRole("button", { name: "Cancel", exact: true }).click();
      expect(await status(page).textContent()).toStartWith("Cancelled");
      await idle(server);
      expect(await server.leftovers()).toEqual([]);
    },
    limitMs,
  );

  test(
    "hands a long recording over as a task, shows how far it is, and finds its transcript after a reload",
    async () => {
      await using busy = await startServer({ env: { ...withoutCache, MAX_RUNNING_TASKS: "1" } });
      await using visited = await visit(browser, busy.url, notes);
      const { page } = visited;
      const list = page.getByRole("region", { name: "Tasks on the server" });
      const task = list.locator(".row", { hasText: long.name });
      await page.getByText("More options").click();
      await page.getByRole("switch", { name: "As a task" }).check();
      await choose(page, long.path);
      await task.waitFor();
      await isDone(page);
      expect(await textOf(page)).toBe(long.model_output.transcribe);
      expect((await noted(page)).some(({ status }) => /^Transcribing, .* of 1:3\d$/.test(status))).toBe(true);
      await task.locator(".row-status", { hasText: "Done · 1:34" }).waitFor();

      await page.reload();
      await task.getByRole("button").first().click();
      await isDone(page);
      expect(await textOf(page)).toBe(long.model_output.transcribe);
      expect(await status(page).textContent()).toMatch(/^1:34 · English · \d+ words$/);
      expect(await page.locator(".word").count()).toBeGreaterThan(100);
    },
    limitMs,
  );

  test(
    "hands a translation over as a task, too",
    async () => {
      await using visited = await visit(browser, server.url);
      const { page } = visited;
      await page.getByText("More options").click();
      await page.getByRole("switch", { name: "Translate to English" }).check();
      await page.getByRole("switch", { name: "As a task" }).check();
      await choose(page, german.path);
      await isDone(page);
      expect(await textOf(page)).toBe(german.model_output.translate);
      const list = page.getByRole("region", { name: "Tasks on the server" });
      await list
        .locator(".row", { hasText: german.name })
        .locator(".row-status", { hasText: "Done" })
        .waitFor();
    },
    limitMs,
  );

  test(
    "offers no tasks where the server takes none, and sends what was to be one as a request",
    async () => {
      await using strict = await startServer({ env: { MAX_TASKS_PER_CALLER: "0" } });
      await using visited = await visit(browser, strict.url, keepsTasksOn);
      const { page } = visited;
      await page.locator("option", { hasText: "demo" }).waitFor({ state: "attached" });
      await page.getByText("More options").click();
      expect(await page.getByRole("switch", { name: "As a task" }).count()).toBe(0);
      await choose(page, german.path);
      await isDone(page);
      expect(await textOf(page)).toBe(german.model_output.transcribe);
    },
    limitMs,
  );

  test(
    "cancels tasks that wait or run, and removes those that have ended",
    async () => {
      await using busy = await startServer({ env: { MAX_RUNNING_TASKS: "1" } });
      const submit = async (name: string, temperature: string) => {
        const body = new FormData();
        for (const [field, value] of Object.entries({ async: "true", beam_size: "8", temperature }))
          body.append(field, value);
        body.append("file", Bun.file(long.path), name);
        const response = await fetch(`${busy.url}/v1/audio/transcriptions`, { method: "POST", body });
        return ((await response.json()) as { id: string }).id;
      };
      // Each has work of its own to do, so that none is answered from another's result.
      const ids = [
        await submit("first.mp3", "0"),
        await submit("second.mp3", "0.1"),
        await submit("third.mp3", "0.2"),
      ];
      const statusOf = async (id = "") => {
        const response = await fetch(`${busy.url}/v1/audio/transcriptions/${id}`);
        return response.ok ? ((await response.json()) as { status: string }).status : response.status;
      };
      await using visited = await visit(browser, busy.url);
      const { page } = visited;
      const list = page.getByRole("region", { name: "Tasks on the server" });
      const task = (name: string) => list.locator(".row", { hasText: name });
      const shows = (name: string, text: string) =>
        task(name).locator(".row-status", { hasText: text }).waitFor();
      await list.getByRole("button", { name: "Cancel third.mp3" }).click();
      await shows("third.mp3", "Cancelled");
      expect(await statusOf(ids[2])).toBe("cancelled");
      await page.reload();
      await shows("third.mp3", "Cancelled");
      await list.getByRole("button", { name: "Remove third.mp3" }).click();
      await task("third.mp3").waitFor({ state: "detached" });
      expect(await statusOf(ids[2])).toBe(404);

      await task("second.mp3").getByRole("button").first().click();
      await page.getByRole("button", { name: "Cancel", exact: true }).click();
      await shows("second.mp3", "Cancelled");
      expect(await statusOf(ids[1])).toBe("cancelled");
      await task("first.mp3").getByRole("button").first().click();
      await isDone(page);
      expect((await textOf(page)).length).toBeGreaterThan(500);
      await idle(busy);
    },
    limitMs,
  );

  test(
    "says in a sentence why the server refuses a file",
    async () => {
      await using visited = await visit(browser, server.url);
      const { page } = visited;
      const file = { name: "letter.mp3", mimeType: "audio/mpeg", buffer: Buffer.from("Dear Anna") };
      await page.locator("input[type=file]").setInputFiles(file);
      const sentence = "Invalid file format. The file is not a recording in a format that can be read.";
      await page.getByRole("alert").getByText(sentence).waitFor();
      expect(await page.getByRole("button", { name: "Transcribe again" }).count()).toBe(0);
      expect(await page.getByRole("button", { name: "Try again" }).count()).toBe(1);
    },
    limitMs,
  );

  test(
    "can be used by everyone, empty and full, light and dark",
    async () => {
      await using visited = await visit(browser, server.url, axe.source);
      const { page } = visited;
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        await page.reload();
        await page.locator("option", { hasText: "demo" }).waitFor({ state: "attached" });
        await page.getByText("More options").click();
        expect(await violations(page)).toEqual([]);
        await choose(page, segments.path);
        await isDone(page);
        expect(await violations(page)).toEqual([]);
      }
      await page.setViewportSize({ width: 360, height: 640 });
      expect(await page.locator("html").evaluate((html) => html.scrollWidth)).toBe(360);
      expect(await violations(page)).toEqual([]);
    },
    limitMs,
  );

  test(
    "asks for the key, keeps it in the browser, and says when it is wrong",
    async () => {
      await using locked = await startServer({ env: { API_KEY: "correct/horse+battery=" } });
      await using visited = await visit(browser, locked.url);
      const { page, context } = visited;
      const enter = async (key: string) => {
        await page.getByRole("button", { name: "API key" }).click();
        await page.getByLabel("Key", { exact: true }).fill(key);
        await page.keyboard.press("Enter");
      };
      await page.getByText("This server asks for an API key.").waitFor();
      await enter("wrong");
      await choose(page, german.path);
      await page.locator(".reader").getByText("Incorrect API key provided: ***").waitFor();
      await page.getByRole("button", { name: "Record", exact: true }).click();
      await page.locator(".reader", { hasText: "Recording" }).getByText("Incorrect API key").waitFor();
      await enter("correct/horse+battery=");
      await page.getByText("This server asks for an API key.").waitFor({ state: "detached" });
      await row(page, german.name).getByRole("button").first().click();
      await page.getByRole("button", { name: "Try again" }).click();
      await isDone(page);
      await page.getByRole("button", { name: "Record", exact: true }).click();
      await page.locator(".running", { hasText: /\w/ }).waitFor();
      await page.reload();
      await page.locator("option", { hasText: "demo" }).waitFor({ state: "attached" });
      expect(await context.cookies()).toEqual([]);
      expect(page.url()).toBe(`${locked.url}/`);
    },
    limitMs,
  );

  test(
    "says so when the server is gone, and goes on when it is back",
    async () => {
      const gone = await startServer();
      await using visited = await visit(browser, gone.url);
      const { page } = visited;
      await page.locator("option", { hasText: "demo" }).waitFor({ state: "attached" });
      await gone.stop();
      await choose(page, german.path);
      await page.getByText("The server does not answer.").waitFor();
      await using back = await startServer({ dataDir: gone.dataDir, env: { PORT: String(gone.port) } });
      await page.getByRole("button", { name: "Try again" }).click();
      await isDone(page);
      expect(back.port).toBe(gone.port);
      await gone[Symbol.asyncDispose]();
    },
    limitMs,
  );
});
