/** The nodes of our graphs in C++, without the addon around them: programs/nodes.cc. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { program } from "./reference.ts";

setDefaultTimeout(300_000);

test("the nodes' results are those of double precision", async () => {
  const { stdout, stderr, exited } = Bun.spawn([await program("nodes")], { stdout: "pipe", stderr: "pipe" });
  const [output, errors, code] = await Promise.all([
    new Response(stdout).text(),
    new Response(stderr).text(),
    exited,
  ]);
  expect({ output, errors, code }).toEqual({ output: "ok\n", errors: "", code: 0 });
});
