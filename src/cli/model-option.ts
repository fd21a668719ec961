/** -m: the model that a command computes with. */
import { Option } from "commander";
import { speechModels } from "../models/catalog.ts";
import { suggest } from "./command.ts";

/** `otherwise`: which it is when none is given. */
export const modelOption = (otherwise: string): Option =>
  suggest(new Option("-m, --model <name>", `Model: a name or a path. ${otherwise}`), [
    "demo",
    ...speechModels.map(({ name }) => name),
  ]);
