/** Folders that come and go with tests. To be called before the hooks that use them. */
import { afterAll, afterEach, beforeAll, beforeEach } from "bun:test";
import { type TestFolder, temporaryFolder } from "./folder.ts";

/** One for each test of the file or the group that calls this. */
export function folderForEachTest(): { readonly path: string } {
  let folder: TestFolder | undefined;
  beforeEach(() => {
    folder = temporaryFolder();
  });
  afterEach(() => folder?.[Symbol.dispose]());
  return {
    get path() {
      return pathOf(folder);
    },
  };
}

/** One for all tests of the file or the group that calls this. */
export function folderForAllTests(): { readonly path: string } {
  let folder: TestFolder | undefined;
  beforeAll(() => {
    folder = temporaryFolder();
  });
  afterAll(() => folder?.[Symbol.dispose]());
  return {
    get path() {
      return pathOf(folder);
    },
  };
}

function pathOf(folder: TestFolder | undefined): string {
  if (folder) return folder.path;
  throw new Error("There is no folder outside tests and their hooks");
}
