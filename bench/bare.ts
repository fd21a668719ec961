/** A child of the case `cache`: a bare Elysia route that takes the same form. Prints its port. */
import { Elysia, t } from "elysia";

const app = new Elysia()
  .post("/v1/audio/transcriptions", ({ body }) => ({ text: `${body.file.size} bytes` }), {
    body: t.Object({ file: t.File() }, { additionalProperties: true }),
  })
  .listen({ port: 0, hostname: "127.0.0.1" });
console.log(app.server?.port);
