/** /docs: Swagger's page over the routes' descriptions, with its script and style from here: it works without a network. */
import { swagger } from "@elysiajs/swagger";
import { Elysia } from "elysia";
import style from "swagger-ui-dist/swagger-ui.css" with { type: "file" };
import script from "swagger-ui-dist/swagger-ui-bundle.js" with { type: "file" };
import { AppError } from "../../core/errors.ts";

const path = "/docs";
/** Paths of files that a compiled program carries. */
const files: Readonly<Record<string, { readonly path: string; readonly type: string }>> = {
  "swagger-ui.css": { path: style, type: "text/css; charset=utf-8" },
  "swagger-ui-bundle.js": { path: script, type: "text/javascript; charset=utf-8" },
};
/** Swagger's page has a dark mode and leaves it to a class. The rest is less air, and no box around one button. */
const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>Whisper API</title>
    <link rel="stylesheet" href="${path}/ui/swagger-ui.css" />
    <style>
      body { margin: 0; }
      .swagger-ui .info { margin: 24px 0 0; }
      .swagger-ui .scheme-container { background: none; box-shadow: none; margin: 0; padding: 0; }
    </style>
    <script>
      const dark = matchMedia("(prefers-color-scheme: dark)");
      const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
      dark.addEventListener("change", follow);
      follow();
    </script>
  </head>
  <body>
    <div id="ui"></div>
    <script src="${path}/ui/swagger-ui-bundle.js"></script>
    <script>
      // It sends what nobody has filled in, too.
      const withoutEmpty = (request) => {
        if (request.body instanceof FormData)
          for (const [name, value] of [...request.body]) if (value === "") request.body.delete(name);
        return request;
      };
      SwaggerUIBundle({
        url: "${path}/json",
        dom_id: "#ui",
        deepLinking: true,
        displayRequestDuration: true,
        persistAuthorization: true,
        requestInterceptor: withoutEmpty,
        showCommonExtensions: true,
      });
    </script>
  </body>
</html>
`;

export const docs = (version: string) =>
  new Elysia({ name: "docs" })
    .get(
      `${path}/ui/:file`,
      ({ params }) => {
        const file = files[params.file];
        if (!file) throw new AppError("not_found", "There is no such file");
        return new Response(Bun.file(file.path), { headers: { "content-type": file.type } });
      },
      { detail: { hide: true } },
    )
    .use(
      swagger({
        path,
        documentation: {
          info: {
            title: "Whisper API",
            version,
            description: "OpenAI-compatible speech to text, self-hosted.",
          },
          tags: [
            { name: "Audio", description: "Recordings to text" },
            { name: "Tasks", description: "Long recordings, in the background" },
            { name: "Webhooks", description: "To be told when a task ends" },
            { name: "Realtime", description: "Live audio" },
            { name: "Models", description: "What is installed" },
            { name: "System", description: "For operators" },
          ],
          components: { securitySchemes: { key: { type: "http", scheme: "bearer" } } },
          security: [{ key: [] }],
        },
      }),
    )
    // In place of the plugin's own page, which loads its script from elsewhere: the later route wins.
    .get(path, () => new Response(page, { headers: { "content-type": "text/html; charset=utf-8" } }), {
      detail: { hide: true },
    });
