/** A real browser on the page, with a microphone that plays a recording. */
import { existsSync } from "node:fs";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

const places = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** The browser of this machine; null when there is none. */
export const browserPath: string | null =
  places.map((name) => Bun.which(name)).find((path) => path !== null) ??
  ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"].find(existsSync) ??
  null;

export const needsBrowser = "needs chromium";

/** `microphone`: path of a wav that is heard again and again. */
export function launch(microphone: string): Promise<Browser> {
  return chromium.launch({
    executablePath: browserPath ?? "",
    args: [
      "--use-fake-device-for-media-stream",
      "--use-fake-ui-for-media-stream",
      `--use-file-for-fake-audio-capture=${microphone}`,
      "--autoplay-policy=no-user-gesture-required",
      "--disable-gpu",
    ],
  });
}

export interface Visit extends AsyncDisposable {
  readonly page: Page;
  readonly context: BrowserContext;
}

/**
 * Opens the page at `url` in a browser that remembers nothing. Disposal throws when the page has failed, broken its own policy or
 * asked anyone but its server.
 */
export async function visit(browser: Browser, url: string, script = ""): Promise<Visit> {
  const context = await browser.newContext({ acceptDownloads: true, permissions: ["microphone"] });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const wrong: string[] = [];
  page.on("pageerror", (error) => wrong.push(error.message));
  page.on("console", (message) => {
    if (/Content Security Policy|Uncaught/.test(message.text())) wrong.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(`${url}/`) && !request.url().startsWith("blob:")) wrong.push(request.url());
  });
  if (script !== "") await page.addInitScript({ content: script });
  await page.goto(`${url}/`);
  return {
    page,
    context,
    async [Symbol.asyncDispose]() {
      await context.close();
      if (wrong.length > 0) throw new Error(`The page has done what it must not:\n${wrong.join("\n")}`);
    },
  };
}
