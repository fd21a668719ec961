/** The app's routes by their paths: which one a request was meant for, whatever became of it. */

interface Route {
  readonly method: string;
  readonly path: string;
}

/** A declared path and what can be done there. */
interface Place {
  /** As declared: `/v1/models/:id`. */
  readonly path: string;
  readonly methods: readonly string[];
}

interface Pattern extends Place {
  readonly expression: RegExp;
}

interface Table {
  /** Paths without wildcards: what nearly all requests are for. */
  readonly literal: ReadonlyMap<string, Place>;
  /** The others, the most literal ones first. */
  readonly patterns: readonly Pattern[];
}

export class Routes {
  private table: Table | null = null;

  /** `routes` is read at the first question, when all of them are declared. */
  constructor(private readonly routes: () => readonly Route[]) {}

  /** The declared path, the most literal one of those that fit; null: there is none. */
  pathOf(path: string): string | null {
    const { literal, patterns } = this.compiled();
    const found = literal.get(trimmed(path)) ?? patterns.find(({ expression }) => expression.test(path));
    return found?.path ?? null;
  }

  /** Methods that can be used on `path`; HEAD goes with GET. */
  methodsOf(path: string): string[] {
    const { literal, patterns } = this.compiled();
    const fitting = patterns.filter(({ expression }) => expression.test(path));
    const exact = literal.get(trimmed(path))?.methods ?? [];
    return [...new Set([...exact, ...fitting.flatMap(({ methods }) => methods)])];
  }

  private compiled(): Table {
    this.table ??= compile(this.routes());
    return this.table;
  }
}

/** A slash at the end makes no other path. */
const trimmed = (path: string) => path.replace(/(?<=.)\/$/, "");

const wildcards = (path: string) => path.split("/").filter((part) => /^[:*]/.test(part)).length;

function compile(routes: readonly Route[]): Table {
  const places = [...Map.groupBy(routes, ({ path }) => path)]
    .map(([path, group]) => ({
      path,
      methods: group
        .filter(({ method }) => method !== "OPTIONS")
        .flatMap(({ method }) => (method === "GET" ? ["GET", "HEAD"] : [method])),
    }))
    .filter(({ methods }) => methods.length > 0);
  const { plain = [], patterned = [] } = Object.groupBy(places, ({ path }) =>
    wildcards(path) === 0 ? "plain" : "patterned",
  );
  return {
    literal: new Map(plain.map((place) => [trimmed(place.path), place])),
    patterns: patterned
      .map((place) => ({ ...place, expression: expressionOf(place.path) }))
      .sort((a, b) => wildcards(a.path) - wildcards(b.path)),
  };
}

function expressionOf(path: string): RegExp {
  const pattern = path
    .split("/")
    .map((part) => (part.startsWith(":") ? "[^/]+" : part === "*" ? ".+" : RegExp.escape(part)))
    .join("/");
  return new RegExp(`^${pattern}/?$`);
}
