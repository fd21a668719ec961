/** Folders that come and go with tests. To be called before the hooks that use them. */
import { afterAll, afterEach, beforeAll, beforeEach } from "bun:test";
import { type TestFolder, temporaryFolder } from "./folder.ts";

type Hook = (act: () => void) => void;

/** One for each test of the file or the group that calls this. */
export const folderForEachTest = () => folderBetween(beforeEach, afterEach);

/** One for all tests of the file or the group that calls this. */
export const folderForAllTests = () => folderBetween(beforeAll, afterAll);

function folderBetween(before: Hook, after: Hook): { readonly path: string } {
  let folder: TestFolder | undefined;
  before(() => {
    folder = temporaryFolder();
  });
  after(() => folder?.[Symbol.dispose]());
  return {
    get path() {
      if (folder) return folder.path;
      throw new Error("There is no folder outside tests and their hooks");
    },
  };
}
