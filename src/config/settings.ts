/** The table of all settings: from it come the parser, the help, the line in the start-up log and docs/configuration.md. */
import type { Setting } from "./notations.ts";
import { address } from "./topics/address.ts";
import { callers } from "./topics/callers.ts";
import { computing } from "./topics/computing.ts";
import { live } from "./topics/live.ts";
import { models } from "./topics/models.ts";
import { observing } from "./topics/observing.ts";
import { recordings } from "./topics/recordings.ts";
import { results } from "./topics/results.ts";
import { sharing } from "./topics/sharing.ts";
import { tasks } from "./topics/tasks.ts";

export const settings = {
  ...address,
  ...models,
  ...computing,
  ...callers,
  ...recordings,
  ...live,
  ...tasks,
  ...results,
  ...sharing,
  ...observing,
};

/** The settings under the headings of docs/configuration.md. */
export const topics: Readonly<Record<string, Readonly<Record<string, Setting<unknown>>>>> = {
  Address: address,
  Models: models,
  Computing: computing,
  "Who may call, and how much": callers,
  "Recordings and folders": recordings,
  "Live sessions": live,
  "Tasks and webhooks": tasks,
  Results: results,
  "Several servers": sharing,
  "Logs and traces": observing,
};

type Settings = typeof settings;

/** Every setting with a value. Sizes in bytes, times in milliseconds, paths relative to the working directory. */
export type Config = {
  readonly [Key in keyof Settings]: Exclude<ReturnType<Settings[Key]["parse"]>, undefined>;
};

/** With its name in Config. */
export const rows: readonly (readonly [string, Setting<unknown>])[] = Object.entries(settings);
