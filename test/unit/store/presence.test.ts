import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Presence } from "../../../src/store/sqlite/presence.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "test-presence-"));
});
afterEach(() => rm(dir, { recursive: true }));

const source = join(import.meta.dir, "../../../src/store/sqlite/presence.ts");

/** A process that is present and says its name. */
async function present(): Promise<{ name: string; child: Bun.Subprocess }> {
  const program = `
    import { Presence } from ${JSON.stringify(source)};
    globalThis.presence = new Presence(${JSON.stringify(dir)});
    console.log(presence.name);
    setInterval(() => {}, 1000);`;
  const child = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe" });
  const { value } = await child.stdout.getReader().read();
  return { name: new TextDecoder().decode(value).trim(), child };
}

test("a process is gone when it was killed, not while it runs or is stopped", async () => {
  const ours = new Presence(dir);
  const { name, child } = await present();
  expect(ours.isGone(name)).toBe(false);
  child.kill("SIGSTOP");
  expect(ours.isGone(name)).toBe(false);
  child.kill("SIGKILL");
  await child.exited;
  expect(ours.isGone(name)).toBe(true);
  expect(ours.isGone(name)).toBe(true);
  ours.close();
});

test("a process knows itself, others in the same process, and those that have closed", () => {
  const [one, other] = [new Presence(dir), new Presence(dir)];
  expect(one.isGone(one.name)).toBe(false);
  expect(one.isGone(other.name)).toBe(false);
  other.close();
  expect(one.isGone(other.name)).toBe(true);
  expect(one.isGone(one.name)).toBe(false);
  one.close();
});

test("what killed processes leave is removed when another begins", async () => {
  const { name, child } = await present();
  child.kill("SIGKILL");
  await child.exited;
  expect(await readdir(dir)).toEqual([`${name}.alive`]);
  const next = new Presence(dir);
  expect(await readdir(dir)).toEqual([`${next.name}.alive`]);
  next.close();
  expect(await readdir(dir)).toEqual([]);
});
