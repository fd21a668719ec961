import { expect, test } from "bun:test";
import { computesOn } from "../../../src/engine/device.ts";
import type { Device } from "../../../src/native.ts";

const device = (type: Device["type"], description: string): Device => ({
  name: description,
  description,
  type,
  memoryBytes: 1,
});
const cpu = device("cpu", "a CPU");
const two = {
  backends: ["CUDA"],
  devices: [device("gpu", "first"), device("accelerator", "BLAS"), device("gpu", "second"), cpu],
};
const none = { backends: ["CUDA", "Vulkan"], devices: [cpu] };
const cpuBuild = { backends: [], devices: [cpu] };

test.each([
  ["auto", two, 0, "first", null],
  [1, two, 1, "second", null],
  ["off", two, -1, "a CPU", null],
  [2, two, -1, "a CPU", "GPU 2 is not there (2 found): running on the CPU"],
  ["auto", none, -1, "a CPU", "This build is for CUDA and Vulkan, and no GPU was found: running on the CPU"],
  ["off", none, -1, "a CPU", null],
  ["auto", cpuBuild, -1, "a CPU", null],
  [0, cpuBuild, -1, "a CPU", "GPU 0 is not there (0 found): running on the CPU"],
] as const)("GPU=%s of %o", (setting, info, gpu, description, warning) => {
  const chosen = computesOn(setting, info);
  expect(chosen).toMatchObject({ gpu, warning });
  expect(chosen.device?.description).toBe(description);
});
