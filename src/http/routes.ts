/** The app's routes by their paths: which one a request was meant for, whatever became of it. */

interface Route {
  readonly method: string;
  readonly path: string;
}

interface Pattern {
  /** As declared: `/v1/models/:id`. */
  readonly path: string;
  readonly expression: RegExp;
  readonly methods: readonly string[];
}

export class Routes {
  private patterns: readonly Pattern[] | null = null;

  /** `routes` is read at the first question, when all of them are declared. */
  constructor(private readonly routes: () => readonly Route[]) {}

  /** The declared path, the most literal one of those that fit; null: there is none. */
  pathOf(path: string): string | null {
    return this.fitting(path)[0]?.path ?? null;
  }

  /** Methods that can be used on `path`; HEAD goes with GET. */
  methodsOf(path: string): string[] {
    return [...new Set(this.fitting(path).flatMap(({ methods }) => methods))];
  }

  private fitting(path: string): Pattern[] {
    this.patterns ??= compile(this.routes());
    return this.patterns.filter(({ expression }) => expression.test(path));
  }
}

function compile(routes: readonly Route[]): Pattern[] {
  const wildcards = (path: string) => path.split("/").filter((part) => /^[:*]/.test(part)).length;
  return [...Map.groupBy(routes, ({ path }) => path)]
    .map(([path, group]) => ({
      path,
      expression: expressionOf(path),
      methods: group
        .filter(({ method }) => method !== "OPTIONS")
        .flatMap(({ method }) => (method === "GET" ? ["GET", "HEAD"] : [method])),
    }))
    .filter(({ methods }) => methods.length > 0)
    .sort((a, b) => wildcards(a.path) - wildcards(b.path));
}

function expressionOf(path: string): RegExp {
  const pattern = path
    .split("/")
    .map((part) => (part.startsWith(":") ? "[^/]+" : part === "*" ? ".+" : RegExp.escape(part)))
    .join("/");
  return new RegExp(`^${pattern}/?$`);
}
