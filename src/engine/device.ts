import type { Config } from "../config/settings.ts";
import type { Info } from "../native.ts";

/** What the setting GPU comes to: the index of the GPU (-1: the CPU), the device, and what is to be said of it. */
export function computesOn(
  setting: Config["gpu"],
  { backends, devices }: Pick<Info, "backends" | "devices">,
) {
  const gpus = devices.filter(({ type }) => type === "gpu");
  const wanted = setting === "auto" ? 0 : setting === "off" ? -1 : setting;
  const device = gpus[wanted];
  if (device) return { gpu: wanted, device, warning: null };
  const missed =
    typeof setting === "number"
      ? `GPU ${setting} is not there (${gpus.length} found)`
      : `This build is for ${backends.join(" and ")}, and no GPU was found`;
  const isMissed = typeof setting === "number" || (setting === "auto" && backends.length > 0);
  return {
    gpu: -1,
    device: devices.find(({ type }) => type === "cpu"),
    warning: isMissed ? `${missed}: running on the CPU` : null,
  };
}
