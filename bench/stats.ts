/** Numbers of a few repetitions. No mean: one disturbed repetition must not move the result. */

export interface Summary {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** Throws RangeError when there are no samples. */
export function summarize(samples: readonly number[]): Summary {
  const sorted = samples.toSorted((a, b) => a - b);
  const [min, max] = [sorted[0], sorted.at(-1)];
  const lower = sorted[(sorted.length - 1) >> 1];
  const upper = sorted[sorted.length >> 1];
  if (min === undefined || max === undefined || lower === undefined || upper === undefined) {
    throw new RangeError("Expected at least one number for samples but received none");
  }
  return { min, median: (lower + upper) / 2, max };
}
