/** GET /: the page for people, and for programs the name of the server. */
import { Elysia } from "elysia";
import { AppError } from "../../core/errors.ts";
import type { Deps } from "../../http/deps.ts";
import { type Bundle, bundlePage, folder } from "./bundle.ts";

/**
 * What the page may do: nothing that is not from here. The nonce is for the one style sheet that is written by a script
 * (wavesurfer.js'); recordings are heard from blobs.
 */
const policy = (nonce: string) =>
  [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self'",
    "font-src 'self'",
    "connect-src 'self'",
    "media-src blob:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");

export const ui = ({ version }: Pick<Deps, "version">) => {
  let bundle: Promise<Bundle> | null = null;
  const bundled = () => {
    bundle ??= bundlePage().catch((error: unknown) => {
      bundle = null;
      throw error;
    });
    return bundle;
  };
  return new Elysia({ name: "ui" })
    .get(
      "/",
      async ({ request }) => {
        const headers = new Headers({ vary: "accept", "cache-control": "no-cache" });
        if (!request.headers.get("accept")?.includes("text/html"))
          return Response.json({ name: "whisper-api", version, docs: "/docs" }, { headers });
        const { html } = await bundled();
        const nonce = crypto.getRandomValues(Buffer.alloc(16)).toString("base64");
        headers.set("content-type", "text/html; charset=utf-8");
        headers.set("content-security-policy", policy(nonce));
        headers.set("permissions-policy", "microphone=(self), camera=(), geolocation=()");
        headers.set("referrer-policy", "no-referrer");
        headers.set("x-content-type-options", "nosniff");
        return new Response(html.replace("<script ", `<script nonce="${nonce}" `), { headers });
      },
      { detail: { hide: true } },
    )
    .get(
      `/${folder}/:file`,
      async ({ params, request }) => {
        const file = (await bundled()).files.get(params.file ?? "");
        if (!file) throw new AppError("not_found", "There is no such file");
        const isSmall = file.gzipped && /\bgzip\b/.test(request.headers.get("accept-encoding") ?? "");
        return new Response(isSmall ? file.gzipped : file.body, {
          headers: {
            "content-type": file.type,
            "cache-control": "public, max-age=31536000, immutable",
            "x-content-type-options": "nosniff",
            ...(isSmall ? { "content-encoding": "gzip" } : {}),
            ...(file.gzipped ? { vary: "accept-encoding" } : {}),
          },
        });
      },
      { detail: { hide: true } },
    );
};
