/** The cache in a table that the processes on one file share. */
import type { Database } from "bun:sqlite";
import type { Cache, CacheLimits } from "../cache.ts";
import { ask } from "./ask.ts";

// `used` counts up with every use: the smallest goes first. Times would not tell two uses within a millisecond apart.
// The sum is kept by triggers: to add up all rows would take longer with each.
const schema = `
create table if not exists cache (
  key text primary key, value blob not null, used integer not null unique, expires_at_ms integer not null
) without rowid;
create index if not exists cache_expiry on cache (expires_at_ms);
create table if not exists cache_size (bytes integer not null);
insert into cache_size select coalesce(sum(length(value)), 0) from cache where not exists (select 1 from cache_size);
create trigger if not exists cache_grows after insert on cache begin
  update cache_size set bytes = bytes + length(new.value);
end;
create trigger if not exists cache_shrinks after delete on cache begin
  update cache_size set bytes = bytes - length(old.value);
end;`;

const nextUse = "(select coalesce(max(used), 0) + 1 from cache)";

export class SqliteCache implements Cache {
  private readonly store: (key: string, value: Uint8Array) => void;

  /** Makes its table. `now`: Unix milliseconds. */
  constructor(
    private readonly database: Database,
    private readonly limits: CacheLimits,
    private readonly now: () => number = Date.now,
  ) {
    database.transaction(() => database.run(schema)).immediate();
    this.store = database.transaction((key: string, value: Uint8Array) => this.replace(key, value)).immediate;
  }

  async get(key: string): Promise<Uint8Array | null> {
    if (this.limits.maxBytes === 0) return null;
    return ask(() => {
      const found = this.database
        .query<{ value: Uint8Array; isLatest: number }, { key: string; now: number }>(
          `select value, used = (select max(used) from cache) isLatest from cache where key = $key and expires_at_ms > $now`,
        )
        .get({ key, now: this.now() });
      // many may ask for the same within a short time: nothing is to be written for that
      if (found && !found.isLatest) {
        this.database.query(`update cache set used = ${nextUse} where key = $key`).run({ key });
      }
      return found?.value ?? null;
    });
  }

  async put(key: string, value: Uint8Array): Promise<void> {
    if (value.length > this.limits.maxBytes) return;
    await ask(() => this.store(key, value));
  }

  async size(): Promise<{ entries: number; bytes: number }> {
    return ask(
      () =>
        this.database
          .query<{ entries: number; bytes: number }, []>(
            "select bytes, (select count(*) from cache) entries from cache_size",
          )
          .get() ?? { entries: 0, bytes: 0 },
    );
  }

  private replace(key: string, value: Uint8Array): void {
    const { database, limits } = this;
    const now = this.now();
    // not `insert or replace`: that deletes without the trigger
    database.query("delete from cache where key = $key or expires_at_ms <= $now").run({ key, now });
    database
      .query(`insert into cache values ($key, $value, ${nextUse}, $expiresAtMs)`)
      .run({ key, value, expiresAtMs: now + limits.ttlMs });
    const size = database.query<{ bytes: number }, []>("select bytes from cache_size");
    const evict = database.query("delete from cache where used = (select min(used) from cache)");
    while ((size.get()?.bytes ?? 0) > limits.maxBytes) evict.run();
  }
}
