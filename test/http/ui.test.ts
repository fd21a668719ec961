import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { temporaryFolder } from "../helpers/folder.ts";
import { errorOf, jsonOf, testServer } from "../helpers/server.ts";

const browser = { headers: { accept: "text/html,application/xhtml+xml,*/*;q=0.8" } };
const linksOf = (html: string) => [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, url = ""]) => url);

describe("GET /", () => {
  test("is the page for browsers and the server's name for programs", async () => {
    await using server = await testServer();
    const port = server.listen();
    const page = await fetch(`http://127.0.0.1:${port}/`, browser);
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(await page.text()).toContain("<title>Whisper API</title>");
    const named = await fetch(`http://127.0.0.1:${port}/`);
    expect(await jsonOf<object>(named)).toEqual({ name: "whisper-api", version: "1.2.3", docs: "/docs" });
  });

  test("links to its own files only, relative, so that a prefix does not matter", async () => {
    await using server = await testServer();
    const links = linksOf(await (await server.fetch("/", browser)).text());
    expect(links.length).toBeGreaterThanOrEqual(3);
    for (const link of links) {
      expect(link).toMatch(/^ui\/[\w.-]+$/);
      const file = await server.fetch(`/${link}`);
      expect(file.status).toBe(200);
      expect(file.headers.get("cache-control")).toContain("immutable");
      const text = await file.text();
      expect(text).not.toMatch(/["'(]\/[\w.-]+-[a-z0-9]{8}\.\w+/); // an absolute URL of another file
    }
  });

  test("allows the page nothing that is not from here, and no script that is written into it", async () => {
    await using server = await testServer();
    const policyOf = async () =>
      (await server.fetch("/", browser)).headers.get("content-security-policy") ?? "";
    const [first, second] = [await policyOf(), await policyOf()];
    const rules = Object.fromEntries(
      first.split("; ").map((rule) => [rule.split(" ")[0], rule.split(" ").slice(1)]),
    );
    expect(rules["default-src"]).toEqual(["'none'"]);
    expect(rules["script-src"]).toEqual(["'self'"]);
    expect(rules["frame-ancestors"]).toEqual(["'none'"]);
    expect(first).not.toMatch(/unsafe|https?:|\*/);
    expect(first).not.toBe(second); // the nonce is not to be guessed
  });

  test("sends text compressed to those who take it", async () => {
    await using server = await testServer();
    const port = server.listen();
    const url = `http://127.0.0.1:${port}`;
    const links = linksOf(await (await fetch(url, browser)).text());
    const script = links.find((link) => link.endsWith(".js"));
    const lengthWith = async (encoding: string) => {
      const answer = await fetch(`${url}/${script}`, {
        headers: { "accept-encoding": encoding },
        decompress: false,
      });
      return [answer.headers.get("content-encoding"), (await answer.blob()).size] as const;
    };
    const [gzip, small] = await lengthWith("gzip, br");
    const [none, large] = await lengthWith("identity");
    expect([gzip, none]).toEqual(["gzip", null]);
    expect(small).toBeLessThan(large / 2);
  });

  test("has no other files", async () => {
    await using server = await testServer();
    for (const path of ["/ui/page.html", "/ui/..%2fserver.ts", "/ui/%zz", "/ui/constructor"]) {
      const answer = await server.fetch(path);
      expect([path, answer.status, (await errorOf(answer)).code]).toEqual([path, 404, "not_found"]);
    }
  });
});

test("a compiled program has the page inside, with the files that it has from source", async () => {
  using folder = temporaryFolder();
  const bundle = join(import.meta.dir, "../../src/modules/ui/bundle.ts");
  const entry = join(folder.path, "entry.ts");
  await Bun.write(
    entry,
    `import { bundlePage } from ${JSON.stringify(bundle)};
     const { html, files } = await bundlePage();
     console.log(JSON.stringify([html, [...files.keys()].sort(), [...files.values()].every(({ body }) => body.length > 50)]));`,
  );
  const print = async (command: string[]) => {
    const child = Bun.spawn(command, { cwd: folder.path, stdout: "pipe", stderr: "inherit" });
    return JSON.parse(await new Response(child.stdout).text()) as [string, string[], boolean];
  };
  const program = join(folder.path, "program");
  await Bun.spawn([process.execPath, "build", "--compile", "--minify", entry, "--outfile", program], {
    stdout: "ignore",
  }).exited;
  const [html, names, isWhole] = await print([program]);
  const [sourceHtml, sourceNames] = await print([process.execPath, entry]);
  expect(isWhole).toBe(true);
  for (const link of linksOf(html)) expect(names).toContain(link.replace("ui/", ""));
  expect(names.map(kindOf).sort()).toEqual(sourceNames.map(kindOf).sort());
  expect(linksOf(html).map(kindOf)).toEqual(linksOf(sourceHtml).map(kindOf));
}, 60_000);

/** A name without the hash of its contents. */
const kindOf = (name: string) => name.replace(/-[a-z0-9]{8}(\.\w+)$/, "$1");
