/** Keys in a SQLite file. */
import type { Database } from "bun:sqlite";
import type { Scope } from "../../core/caller.ts";
import type { Keys, StoredKey } from "../keys.ts";
import { ask } from "./ask.ts";

/** As stored: the scopes are one text. */
type Row = Omit<StoredKey, "scopes"> & { readonly scopes: string };

export class SqliteKeys implements Keys {
  constructor(private readonly database: Database) {
    database.run(
      `create table if not exists keys (
        id text primary key, name text not null, digest text not null unique, hint text not null, scopes text not null,
        limits text, audioLimits text, createdAtMs integer not null, expiresAtMs integer, revokedAtMs integer)`,
    );
  }

  create(key: StoredKey): Promise<void> {
    return ask(() => {
      this.database
        .query<null, [Record<string, string | number | null>]>(
          `insert into keys values (
            $id, $name, $digest, $hint, $scopes, $limits, $audioLimits, $createdAtMs, $expiresAtMs, $revokedAtMs)`,
        )
        .run({ ...key, scopes: key.scopes.join(",") });
    });
  }

  list(): Promise<readonly StoredKey[]> {
    return ask(() =>
      this.database.query<Row, []>("select * from keys order by createdAtMs, id").all().map(keyOf),
    );
  }

  revoke(id: string, atMs: number): Promise<boolean> {
    // the first time stays
    const revoked = "update keys set revokedAtMs = coalesce(revokedAtMs, ?) where id = ?";
    return ask(() => this.database.query<null, [number, string]>(revoked).run(atMs, id).changes > 0);
  }

  find(digest: string): Promise<StoredKey | null> {
    return ask(() => {
      const row = this.database.query<Row, [string]>("select * from keys where digest = ?").get(digest);
      return row && keyOf(row);
    });
  }

  isEmpty(): Promise<boolean> {
    return ask(() => this.database.query<unknown, []>("select 1 from keys limit 1").get() === null);
  }
}

const keyOf = (row: Row): StoredKey => ({ ...row, scopes: row.scopes.split(",") as Scope[] });
