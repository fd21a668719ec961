/** The weights that are there: files of MODELS_DIR, and that of WHISPER_MODEL wherever it lies. Names of clients never become paths. */
import { readdir, rm, stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { speechModels, vadModels } from "./catalog.ts";
import { demoPath } from "./demo.ts";
import { digestOf, noteOf } from "./digest.ts";
import { type EnsuredModel, modelIdOf } from "./ensure.ts";
import { notInstalled, unknown } from "./refusals.ts";
import { readShape, type Shape } from "./shape.ts";

export interface WeightsFile {
  readonly id: string;
  readonly path: string;
  readonly bytes: number;
  /** Changes when the file does. */
  readonly version: string;
  /** null: the file is damaged. */
  readonly shape: Shape | null;
  /** Unix seconds. */
  readonly installedSeconds: number;
  readonly warning: string | null;
  readonly isDefault: boolean;
}

const published = new Set(speechModels.map(({ file }) => file));
const ofVad = new Set(vadModels.map(({ file }) => file));

export class ModelsFolder {
  private files: readonly WeightsFile[] = [];
  private readonly shapes = new Map<string, { readonly version: string; readonly shape: Shape | null }>();

  private readonly digests = new Map<
    string,
    { readonly version: string; readonly digest: Promise<string> }
  >();

  constructor(
    private readonly dir: string,
    private readonly standard: EnsuredModel,
  ) {}

  /** As of the last look; WHISPER_MODEL first, the rest by name. */
  get found(): readonly WeightsFile[] {
    return this.files;
  }

  /** As of the last look. */
  find(id: string): WeightsFile | undefined {
    return this.files.find((file) => file.id === id);
  }

  /** Looks for it. Rejects with model_not_found, which says whether it could be installed. */
  async get(id: string): Promise<WeightsFile> {
    await this.look();
    const file = this.find(id);
    if (file) return file;
    throw speechModels.some(({ name }) => name === id) ? notInstalled(id) : unknown(id);
  }

  /** Reads the folder, and the headers of files that are new. A folder that is not there is empty. */
  async look(): Promise<readonly WeightsFile[]> {
    const names = await readdir(this.dir).catch(() => []);
    const demo = resolve(demoPath(this.dir));
    const paths = names
      .filter((name) => name.endsWith(".bin") && !ofVad.has(name))
      .sort()
      .map((name) => resolve(this.dir, name))
      .filter((path) => path !== resolve(this.standard.path) && path !== demo);
    const all = await Promise.all([
      this.read(this.standard.path, { ...this.standard, isDefault: true }),
      ...paths.map((path) => this.read(path, { id: modelIdOf(path), warning: null, isDefault: false })),
    ]);
    const byId = new Map<string, WeightsFile>();
    for (const file of all) if (file && !byId.has(file.id)) byId.set(file.id, file);
    this.files = [...byId.values()];
    return this.files;
  }

  /** Reads a file once, as long as it does not change. */
  digestOf({ path, version }: WeightsFile): Promise<string> {
    const known = this.digests.get(path);
    if (known?.version === version) return known.digest;
    const digest = digestOf(path);
    this.digests.set(path, { version, digest });
    digest.catch(() => this.digests.delete(path));
    return digest;
  }

  /** Removes the file and its digest. What a download has begun stays: it may be going on. */
  async remove({ path }: WeightsFile): Promise<void> {
    for (const each of [path, noteOf(path)]) await rm(each, { force: true });
    await this.look();
  }

  private async read(
    path: string,
    about: Pick<WeightsFile, "id" | "warning" | "isDefault">,
  ): Promise<WeightsFile | null> {
    const found = await stat(path).catch(() => null);
    if (!found?.isFile()) return null;
    const version = `${found.size} ${found.mtimeMs}`;
    const known = this.shapes.get(path);
    const shape = known?.version === version ? known.shape : await readShape(path);
    this.shapes.set(path, { version, shape });
    // some other program's file, unless its name says what it ought to be
    if (shape === null && !about.isDefault && !published.has(basename(path))) return null;
    const { id, warning, isDefault } = about;
    const installedSeconds = Math.floor(found.mtimeMs / 1000);
    return { id, path, bytes: found.size, version, shape, installedSeconds, warning, isDefault };
  }
}
