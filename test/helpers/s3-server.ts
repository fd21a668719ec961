/** An S3 server on a free port, which it prints. Arguments: the folder of its data, its bucket. */
import crypto from "node:crypto";
import fs from "node:fs";
import S3rver from "@20minutes/s3rver";

// Lists of several pages rely on two things of Node: an old cipher for the last key of a page, and names in order.
const plain = { update: (text: string | Buffer) => Buffer.from(text), final: () => Buffer.alloc(0) };
Object.assign(crypto, { createCipheriv: () => plain, createDecipheriv: () => plain });
const { readdirSync } = fs;
Object.assign(fs, { readdirSync: (path: string) => readdirSync(path).sort() });

const [directory = "", bucket = ""] = Bun.argv.slice(2);
const server = new S3rver({
  ...{ address: "127.0.0.1", port: 0, directory, silent: true },
  configureBuckets: [{ name: bucket }],
});
// It signs the path of a list without the slash at its end, unlike Amazon and Bun: 5.0.0 would refuse every list.
server.middleware.unshift((context, next) => {
  if (context.path === `/${bucket}/`)
    context.app = Object.create(context.app, { allowMismatchedSignatures: { value: true } });
  return next();
});
const { port } = await server.run();
console.log(port);
