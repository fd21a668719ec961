/** The page's files. A compiled binary has them inside; run from source, they are bundled when the first is asked for. */
import { basename } from "node:path";
import page from "./page/page.html";

/** Where the files are, relative to the page. */
export const folder = "ui";

export interface PageFile {
  readonly type: string;
  readonly body: Uint8Array<ArrayBuffer>;
  /** null: it is compressed already. */
  readonly gzipped: Uint8Array<ArrayBuffer> | null;
}

export interface Bundle {
  readonly html: string;
  /** By name; the names change with the contents. */
  readonly files: ReadonlyMap<string, PageFile>;
}

/** Throws when the source cannot be bundled. */
export async function bundlePage(): Promise<Bundle> {
  const parts = new Map((await built()).map(({ path, blob }) => [basename(path), blob]));
  const names = [...parts.keys()].filter((name) => !name.endsWith(".html"));
  // The bundler writes absolute URLs; relative ones work behind any prefix.
  const relative = (text: string) =>
    names.reduce((done, name) => done.replaceAll(`"/${name}"`, `"${folder}/${name}"`), text);
  let html = "";
  const files = new Map<string, PageFile>();
  for (const [name, blob] of parts) {
    if (name.endsWith(".html")) html = relative(await blob.text());
    else files.set(name, await fileOf(name, blob, relative));
  }
  return { html, files };
}

async function fileOf(name: string, blob: Blob, relative: (text: string) => string): Promise<PageFile> {
  const isText = /\.(js|css|svg)$/.test(name);
  const body = isText
    ? new TextEncoder().encode(relative(await blob.text()))
    : new Uint8Array(await blob.arrayBuffer());
  return { type: blob.type, body, gzipped: isText ? Bun.gzipSync(body) : null };
}

async function built(): Promise<{ readonly path: string; readonly blob: Blob }[]> {
  // Of a bundled program only: what the bundler has made of the import.
  if (page.files) return page.files.map(({ path }) => ({ path, blob: Bun.file(path) }));
  const { outputs } = await Bun.build({
    entrypoints: [page.index],
    minify: true,
    publicPath: "/",
  });
  return outputs.map((blob) => ({ path: blob.path, blob }));
}
