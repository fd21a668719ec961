/** `whisper-api keys`: the API keys that are stored, beside those of API_KEY. */
import { loadConfig } from "../config/load.ts";
import { type Scope, scopes } from "../core/caller.ts";
import { audioLimits, requestLimits } from "../core/limits.ts";
import { createLogger } from "../log.ts";
import type { Keys, StoredKey } from "../store/keys.ts";
import { openStore } from "../store/open.ts";
import { availableWithin } from "../store/store.ts";
import { type Define, exitCodes, Failure } from "./command.ts";
import { printResult } from "./terminal.ts";

export const define: Define = (command) => {
  command
    .command("create")
    .description("Make a key and show it, this once: it is stored as a digest.")
    .requiredOption("--name <name>", "What it is for, or whose it is.")
    .option(
      "--scope <scopes>",
      `What it may do: ${scopes.join(", ")} (which includes the former).`,
      "transcribe",
    )
    .option("--limits <limits>", "Its own limits in place of RATE_LIMITS: 10/minute,50/hour, or off.")
    .option("--audio-limits <limits>", "Its own in place of RATE_LIMITS_AUDIO: 60m/hour, or off.")
    .option("--expires <time>", "How long it works: 12h, 30d, 52w; without it for ever.")
    .option("--json", "As JSON, for programs.")
    .action((options) => create(options));
  command
    .command("list")
    .description("List the keys, the revoked ones too.")
    .option("--json", "As JSON, for programs.")
    .action(({ json }) => list(json === true));
  command
    .command("revoke")
    .description("Make a key useless for ever; servers notice within seconds.")
    .argument("<id>", "Its id: see keys list.")
    .action((id) => revoke(id));
};

interface Wanted {
  readonly name: string;
  readonly scope: string;
  readonly limits?: string;
  readonly audioLimits?: string;
  readonly expires?: string;
  readonly json?: true;
}

async function create(wanted: Wanted): Promise<void> {
  const nowMs = Date.now();
  const key = `sk-${crypto.getRandomValues(Buffer.alloc(32)).toString("base64url")}`;
  const stored: StoredKey = {
    id: `key_${crypto.getRandomValues(Buffer.alloc(8)).toString("hex")}`,
    name: read("--name", wanted.name, "1 to 100 printable characters", (name) =>
      /^[^\p{Cc}\p{Zl}\p{Zp}]{1,100}$/u.test(name) ? name : undefined,
    ),
    digest: new Bun.CryptoHasher("sha256").update(key).digest("hex"),
    hint: key.slice(-4),
    scopes: read("--scope", wanted.scope, `${scopes.join(", ")} or both`, scopesOf),
    limits: readLimits("--limits", wanted.limits, requestLimits),
    audioLimits: readLimits("--audio-limits", wanted.audioLimits, audioLimits),
    createdAtMs: nowMs,
    expiresAtMs:
      wanted.expires === undefined
        ? null
        : nowMs +
          read("--expires", wanted.expires, "a time like 12h, 30d or 52w, at most 100 years", lifetimeMs),
    revokedAtMs: null,
  };
  await withKeys((keys) => keys.create(stored));
  if (wanted.json) return console.log(JSON.stringify({ ...shown(stored), key }));
  console.log(key);
  console.error(`${stored.id} is stored. Keep the key: it cannot be shown again.`);
}

async function list(asJson: boolean): Promise<void> {
  const keys = await withKeys((store) => store.list());
  if (asJson) return console.log(JSON.stringify(keys.map(shown)));
  if (keys.length === 0) return console.error("There are no stored keys.");
  await printResult(tableOf(keys.map(cellsOf)));
}

const cellsOf = (key: StoredKey): Readonly<Record<string, string>> => ({
  ...{ ID: key.id, NAME: key.name, KEY: `...${key.hint}`, SCOPES: key.scopes.join(",") },
  ...{ LIMITS: key.limits ?? "", AUDIO: key.audioLimits ?? "" },
  ...{ CREATED: day(key.createdAtMs), "VALID UNTIL": validUntil(key) },
});

/** As wide as its cells; without columns that are empty, so that it fits into more terminals. */
function tableOf(rows: readonly Readonly<Record<string, string>>[]): string {
  const columns = Object.keys(rows[0] ?? {}).filter((name) => rows.some((row) => row[name]));
  const widths = columns.map((name) =>
    Math.max(...[name, ...rows.map((row) => row[name] ?? "")].map((cell) => Bun.stringWidth(cell))),
  );
  const line = (cells: readonly string[]) =>
    cells.map((cell, index) => cell + " ".repeat((widths[index] ?? 0) - Bun.stringWidth(cell))).join("  ");
  const lines = [columns, ...rows.map((row) => columns.map((name) => row[name] || "-"))].map(line);
  return lines.map((each) => `${each.trimEnd()}\n`).join("");
}

async function revoke(id: string): Promise<void> {
  if (!(await withKeys((keys) => keys.revoke(id, Date.now())))) {
    throw new Failure(`There is no key ${JSON.stringify(id)}: see whisper-api keys list`);
  }
  console.error(`${id} is revoked.`);
}

/** A Redis that is away is waited for so long. */
const patienceMs = 3000;

async function withKeys<T>(act: (keys: Keys) => Promise<T>): Promise<T> {
  const { config } = loadConfig();
  const store = await openStore(config, createLogger({ format: config.logFormat, debug: config.debug }));
  try {
    if (!(await availableWithin(store, patienceMs)))
      throw new Failure("Redis does not answer: see REDIS_URL", exitCodes.misuse);
    return await act(store.keys);
  } finally {
    await store.close();
  }
}

function read<T>(option: string, text: string, expected: string, parse: (text: string) => T | undefined): T {
  const value = parse(text);
  if (value !== undefined) return value;
  const received = JSON.stringify(text.slice(0, 100));
  throw new Failure(`Expected ${expected} for ${option} but received ${received}`, exitCodes.misuse);
}

/** The text as it is when it can be read; null without one. */
const readLimits = (option: string, text: string | undefined, notation: typeof requestLimits) =>
  text === undefined
    ? null
    : read(option, text, notation.expected, () => (notation.parse(text) ? text : undefined));

function scopesOf(text: string): readonly Scope[] | undefined {
  const wanted = text.split(",").map((scope) => scope.trim());
  const found = scopes.filter((scope) => wanted.includes(scope));
  return found.length === wanted.length ? found : undefined;
}

const unitsMs = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
const longestMs = 100 * 366 * unitsMs.d;

function lifetimeMs(text: string): number | undefined {
  const [, number, unit] = /^([1-9]\d*)([mhdw])$/.exec(text) ?? [];
  const ms = Number(number) * unitsMs[unit as keyof typeof unitsMs];
  return ms <= longestMs ? ms : undefined;
}

/** Without the digest: it is nobody's business. */
const shown = ({ digest: _, ...key }: StoredKey) => key;

const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);

function validUntil({ revokedAtMs, expiresAtMs }: StoredKey): string {
  if (revokedAtMs !== null) return "revoked";
  if (expiresAtMs === null) return "for ever";
  return expiresAtMs <= Date.now() ? "expired" : day(expiresAtMs);
}
