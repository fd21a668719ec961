import { expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { Presence } from "../../../src/store/sqlite/presence.ts";
import { folderForEachTest } from "../../helpers/folder-hooks.ts";

const folder = folderForEachTest();

const source = join(import.meta.dir, "../../../src/store/sqlite/presence.ts");

/** A process that is present and says its name. */
async function present(): Promise<{ name: string; child: Bun.Subprocess }> {
  const program = `
    import { Presence } from ${JSON.stringify(source)};
    globalThis.presence = new Presence(${JSON.stringify(folder.path)});
    console.log(presence.name);
    setInterval(() => {}, 1000);`;
  const child = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe" });
  const { value } = await child.stdout.getReader().read();
  return { name: new TextDecoder().decode(value).trim(), child };
}

test("a process is gone when it was killed, not while it runs or is stopped", async () => {
  const ours = new Presence(folder.path);
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
  const [one, other] = [new Presence(folder.path), new Presence(folder.path)];
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
  expect(await readdir(folder.path)).toEqual([`${name}.alive`]);
  const next = new Presence(folder.path);
  expect(await readdir(folder.path)).toEqual([`${next.name}.alive`]);
  next.close();
  expect(await readdir(folder.path)).toEqual([]);
});
