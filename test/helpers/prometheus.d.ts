declare module "parse-prometheus-text-format" {
  /** The metric families of a text in Prometheus' exposition format. Throws when it is none. */
  export default function parse(text: string): readonly {
    readonly name: string;
    readonly help: string;
    readonly type: string;
    readonly metrics: readonly {
      readonly value?: string;
      readonly labels?: Readonly<Record<string, string>>;
    }[];
  }[];
}
