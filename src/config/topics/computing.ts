/** How much of the machine is used. */
import type { Notation } from "../../core/notation.ts";
import { integer, oneOf, setting } from "../notations.ts";

const gpu: Notation<"auto" | "off" | number> = {
  expected: "auto, off, or the index of a GPU from 0 to 63",
  parse: (value) => oneOf("auto", "off").parse(value) ?? integer(0, 63).parse(value),
};

export const computing = {
  gpu: setting("GPU", gpu, "auto", "auto, off, or the index of a GPU."),
  threads: setting("THREADS", integer(0, 1024), "0", "Threads that compute; 0 = the cores."),
  slots: setting(
    "SLOTS",
    integer(0, 1024),
    "0",
    "Windows (30 s each) decoded together; 0 = 8, on a GPU 32, less if memory is short.",
  ),
  maxRuns: setting("MAX_RUNS", integer(0, 1024), "0", "Runs admitted at the same time; 0 = twice the slots."),
  maxQueue: setting("MAX_QUEUE", integer(0, 100_000), "64", "Requests that may wait; the next ones get 503."),
};

/** Gains of more threads end about here: what they compute is cut into too small pieces. */
const mostThreads = 16;

/** THREADS as it is used: 0 = the cores. More threads than cores would wait for each other. */
export function threadsOn(cores: number, threads: number): number {
  return Math.min(threads || mostThreads, cores);
}

/** SLOTS=0: more are worth it where a step of many windows costs no more than one of few. */
export const defaultSlots = (onGpu: boolean) => (onGpu ? 32 : 8);
