const sums = new Map<string, number>();
let last = 0;
let n = 0;
export const begin = () => {
  last = performance.now();
  n += 1;
  if (n === 300) sums.clear();
  if (n % 1000 === 0) {
    const d = n - 300;
    console.error(
      [...sums].map(([k, v]) => `${k} ${((v / d) * 1000).toFixed(0)}`).join("  "),
      "total",
      (([...sums.values()].reduce((a, b) => a + b) / d) * 1000).toFixed(0),
    );
  }
};
export const mark = (k: string) => {
  const t = performance.now();
  sums.set(k, (sums.get(k) ?? 0) + t - last);
  last = t;
};
