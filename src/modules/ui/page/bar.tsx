/** How far something is; without `part` done (0..1) nobody knows. With a `label` it is told to screen readers, too. */
export const Bar = ({ part, phase, label }: { part: number; phase: string; label?: string }) => (
  <progress
    class="bar"
    data-phase={phase}
    max={1}
    value={part > 0 ? part : undefined}
    aria-label={label}
    aria-hidden={label === undefined}
  />
);
