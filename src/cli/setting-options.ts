/** The settings as options of a command: --whisper-model for WHISPER_MODEL. One table (config/settings.ts), one parser, one message. */
import { type Command, Option } from "commander";
import { environmentWith, loadConfig } from "../config/load.ts";
import { publicSettings } from "../config/show.ts";

const options = publicSettings.map(({ env, help, default: initial }) => ({
  env,
  option: new Option(
    `--${env.toLowerCase().replaceAll("_", "-")} <value>`,
    `${help} Default: ${env}, ${initial || "none"}`,
  ).helpGroup("Settings:"),
}));

export function addSettingOptions(command: Command): Command {
  for (const { option } of options) command.addOption(option);
  return command;
}

/** The settings, with what the command's options say in place of the environment. Throws ConfigError. */
export function loadConfigWith(given: Readonly<Record<string, unknown>>): ReturnType<typeof loadConfig> {
  const named = options.flatMap(({ env, option }): [string, string][] => {
    const value = given[option.attributeName()];
    // --no-worker gives false
    return value === undefined ? [] : [[env, String(value)]];
  });
  return loadConfig(environmentWith(Object.fromEntries(named)));
}
