/** What an expression in PromQL asks for, found by Prometheus' own grammar. */
import { parser } from "@prometheus-io/lezer-promql";

export interface Selector {
  readonly metric: string;
  readonly matchers: readonly { readonly label: string; readonly op: string; readonly value: string }[];
  /** Labels that aggregations and matchings around it name. */
  readonly grouping: readonly string[];
}

type Node = ReturnType<typeof parser.parse>["topNode"];

/** Throws when it is no PromQL. */
export function selectorsOf(expression: string): Selector[] {
  const tree = parser.parse(expression);
  tree.iterate({
    enter({ type, from }) {
      if (type.isError) throw new Error(`Expected PromQL but received an error at ${from} of: ${expression}`);
    },
  });
  const textOf = ({ from, to }: Node) => expression.slice(from, to);
  const found: Selector[] = [];
  const walk = (node: Node, grouping: readonly string[]) => {
    const children = childrenOf(node);
    if (node.name === "VectorSelector") {
      const matchers = descendants(node, /LabelMatcher$/).map((matcher) => {
        const [label = "", op = "", value = '""'] = childrenOf(matcher).map(textOf);
        return { label, op, value: JSON.parse(value) as string };
      });
      const [name] = children;
      found.push({ metric: name?.name === "Identifier" ? textOf(name) : "", matchers, grouping });
      return;
    }
    const own = children
      .filter(({ name }) => /Modifier|MatchingModifierClause/.test(name))
      .flatMap((modifier) => descendants(modifier, /^LabelName$/))
      .map(textOf);
    for (const child of children) walk(child, [...grouping, ...own]);
  };
  walk(tree.topNode, []);
  return found;
}

function childrenOf(node: Node): Node[] {
  const children: Node[] = [];
  for (let child = node.firstChild; child; child = child.nextSibling) children.push(child);
  return children;
}

const descendants = (node: Node, name: RegExp): Node[] =>
  childrenOf(node).flatMap((child) => (name.test(child.name) ? [child] : descendants(child, name)));
