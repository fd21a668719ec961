/** A child of the case `cache`: bare Elysia routes that take the same form, one of which hashes the file. Prints its port. */
import { Elysia, t } from "elysia";

const body = t.Object({ file: t.File() }, { additionalProperties: true });

const app = new Elysia()
  .post("/bare", ({ body }) => ({ text: `${body.file.size} bytes` }), { body })
  .post(
    "/hashing",
    async ({ body }) => ({
      text: new Bun.CryptoHasher("sha256").update(await body.file.arrayBuffer()).digest("hex"),
    }),
    { body },
  )
  .listen({ port: 0, hostname: "127.0.0.1" });
console.log(app.server?.port);
