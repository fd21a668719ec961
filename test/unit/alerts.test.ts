/** deploy/alerts.yml, by Prometheus' own test runner: what has to raise an alert does, and nothing else. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { told } from "../helpers/child.ts";
import { temporaryFolder } from "../helpers/folder.ts";

const promtool = Bun.which("promtool");
const deploy = join(import.meta.dir, "../../deploy");

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
}
interface Rules {
  readonly groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[];
}
const rules = Bun.YAML.parse(await Bun.file(join(deploy, "alerts.yml")).text()) as Rules;

const run = (file: string) =>
  told(
    Bun.spawn([promtool ?? "promtool", "test", "rules", file], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    }),
  );

test.skipIf(promtool === null)("every alert is raised when it should be (needs promtool)", async () => {
  const { code, stdout, stderr } = await run(join(deploy, "alerts.test.yml"));
  expect([code, stdout + stderr]).toEqual([0, expect.stringContaining("SUCCESS")]);
});

const withoutThreshold = ({ expr }: Rule, which: RegExp) => expr.trim().replace(which, ">= 0");

/** Each is to be noticed for every alert: so every alert has cases on both sides of its threshold, and of its time. */
const mistakes: [string, (rule: Rule) => Rule][] = [
  ["alerts that never come", (rule) => ({ ...rule, expr: "vector(0) > 1" })],
  // a rule may have two, each at the end of a line
  ["first thresholds that all pass", (rule) => ({ ...rule, expr: withoutThreshold(rule, /(>=?|==) \S+$/m) })],
  ["last thresholds that all pass", (rule) => ({ ...rule, expr: withoutThreshold(rule, /(>=?|==) \S+$/) })],
  ["alerts that do not wait", (rule) => ({ ...rule, for: "0m" })],
];

test.skipIf(promtool === null).each(mistakes)(
  "the tests of alerts notice %s (needs promtool)",
  async (_, mistake) => {
    await using folder = await temporaryFolder();
    const groups = rules.groups.map((group) => ({ ...group, rules: group.rules.map(mistake) }));
    await Bun.write(join(folder.path, "alerts.yml"), JSON.stringify({ groups }));
    await Bun.write(join(folder.path, "test.yml"), Bun.file(join(deploy, "alerts.test.yml")));
    const { code, stdout, stderr } = await run(join(folder.path, "test.yml"));
    const noticed = new Set([...(stdout + stderr).matchAll(/alertname: ?(\w+)/g)].map(([, name]) => name));
    expect([code, [...noticed].sort()]).toEqual([
      1,
      rules.groups.flatMap((group) => group.rules.map(({ alert }) => alert)).sort(),
    ]);
  },
);
