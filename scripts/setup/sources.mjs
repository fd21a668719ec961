import { readdirSync } from "node:fs";
import { join } from "node:path";

/** The paths of our C++ below `root`, sorted. (readdir's `recursive` came with Node 18.17.) @param {string} root @returns {string[]} */
export function nativeSources(root, folder = "native") {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? nativeSources(root, path) : [path];
    })
    .sort();
}
