import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TestFolder extends Disposable {
  readonly path: string;
}

/** A new, empty folder, which disposal removes with what is in it. */
export function temporaryFolder(): TestFolder {
  const path = mkdtempSync(join(tmpdir(), "whisper-test-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
