/** What the bundler makes of a file that is imported `with { type: "file" }`: its URL. */
declare module "*.woff2" {
  const url: string;
  export default url;
}

declare module "*/unicode.json" {
  /** CSS unicode-range by subset. */
  const ranges: Readonly<Record<string, string>>;
  export default ranges;
}
