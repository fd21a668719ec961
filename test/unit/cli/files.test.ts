import { beforeAll, describe, expect, test } from "bun:test";
import { mkdir, readdir, readlink, symlink } from "node:fs/promises";
import { join } from "node:path";
import {
  findInputs,
  formatOf,
  makeFolders,
  planOutputs,
  writeWhole,
} from "../../../src/cli/transcription/files.ts";
import { folderForAllTests } from "../../helpers/folder-hooks.ts";

const folder = folderForAllTests();
const at = (name: string) => join(folder.path, name);

beforeAll(async () => {
  await mkdir(at("out"));
  for (const name of ["b.mp3", "a.mp3", "a.wav", "odd [1].mp3", "out/taken.txt"])
    await Bun.write(at(name), name);
});

describe("the recordings that are meant", () => {
  test("are refused when a pattern matches nothing", async () => {
    await expect(findInputs([at("*.flac")])).rejects.toThrow("Nothing matches");
  });

  test("are what a pattern matches, sorted, each once", async () => {
    expect(await findInputs([at("b.mp3"), at("[ab].*")])).toEqual([at("b.mp3"), at("a.mp3"), at("a.wav")]);
  });

  test("may have signs of patterns in their names", async () => {
    expect(await findInputs([at("odd [1].mp3")])).toEqual([at("odd [1].mp3")]);
  });

  test("need not exist: each is told when its turn comes", async () => {
    expect(await findInputs([at("missing.mp3"), "-"])).toEqual([at("missing.mp3"), "-"]);
  });

  test("cannot be stdin twice", async () => {
    await expect(findInputs(["-", "-"])).rejects.toThrow("once");
  });
});

describe("the files that are written", () => {
  test("are none without --output, and for -", async () => {
    expect(await planOutputs(["a.mp3", "b.mp3"], undefined, "srt")).toEqual([null, null]);
    expect(await planOutputs(["a.mp3"], "-", "srt")).toEqual([null]);
  });

  test("is the one that is named, for one recording", async () => {
    expect(await planOutputs(["a.mp3"], at("x.srt"), "srt")).toEqual([at("x.srt")]);
  });

  test.each([["out"], ["new/"]])("are in the folder %p under their recordings' names", async (name) => {
    expect(await planOutputs(["x/a.mp3"], at(name), "verbose_json")).toEqual([join(at(name), "a.json")]);
  });

  test("keep their endings where names would be the same", async () => {
    const expected = ["a.mp3.txt", "a.wav.txt", "b.txt", "stdin.txt"].map((name) => at(`out/${name}`));
    expect(await planOutputs([at("a.mp3"), at("a.wav"), at("b.mp3"), "-"], at("out"), "text")).toEqual(
      expected,
    );
  });

  test("are refused when two would be one", async () => {
    await expect(planOutputs(["x/a.mp3", "y/a.mp3"], at("out"), "srt")).rejects.toThrow("Two recordings");
  });

  test("are refused in a folder that is a file", async () => {
    await expect(planOutputs(["a.mp3", "b.mp3"], at("out/taken.txt"), "srt")).rejects.toThrow("is a file");
  });

  test("are never a recording", async () => {
    await expect(planOutputs([at("a.mp3")], at("./out/../a.mp3"), "srt")).rejects.toThrow("overwritten");
  });

  test.each([
    ["x.srt", "srt"],
    ["X.VTT", "vtt"],
    ["x.txt", "text"],
    ["x.json", "json"],
    ["x.mp3", undefined],
    ["folder/", undefined],
    [undefined, undefined],
  ])("say by their ending %p the format %p", (output, expected) => {
    expect(formatOf(output)).toBe(expected as never);
  });
});

describe("folders of files that will be written", () => {
  test("are there before the work begins", async () => {
    await makeFolders([at("early/bird/x.txt"), "/dev/null"]);
    expect(await readdir(at("early/bird"))).toEqual([]);
  });

  test("are refused when nothing can be written into them", async () => {
    await expect(makeFolders([at("a.mp3/x.txt")])).rejects.toThrow(
      `${at("a.mp3/x.txt")} cannot be written: its folder is a file`,
    );
  });
});

describe("writing a file", () => {
  test("makes its folder, replaces what was there, and leaves nothing beside it", async () => {
    const path = at("deep/er/x.txt");
    await writeWhole(path, "first");
    await writeWhole(path, "second");
    expect(await Bun.file(path).text()).toBe("second");
    expect(await readdir(at("deep/er"))).toEqual(["x.txt"]);
  });

  test("leaves nothing beside it when it fails", async () => {
    await mkdir(at("busy/x.txt"), { recursive: true });
    await expect(writeWhole(at("busy/x.txt"), "text")).rejects.toThrow("x.txt cannot be written: ");
    expect(await readdir(at("busy"))).toEqual(["x.txt"]);
  });

  test("writes through a link, and into what is no file", async () => {
    await symlink(at("out/taken.txt"), at("link.txt"));
    await writeWhole(at("link.txt"), "through");
    expect(await Bun.file(at("out/taken.txt")).text()).toBe("through");
    expect(await readlink(at("link.txt"))).toBe(at("out/taken.txt"));
    await writeWhole("/dev/null", "nothing");
    expect(await Bun.file("/dev/null").text()).toBe("");
  });
});
