/**
 * `whisper-api completions bash|zsh|fish`: a script that completes commands, options and their values, made of the commands'
 * definitions. Nothing is run while one types. (Libraries for this ask the program at each key, pass the typed line through
 * the shell's eval, and complete no file names.)
 */
import { Argument, type Command, type Option } from "commander";
import { type Define, suggestionsOf } from "./command.ts";
import { printResult } from "./terminal.ts";

export const define: Define = (command) => {
  command
    .addArgument(new Argument("<shell>", "Which shell.").choices(Object.keys(writers)))
    .addHelpText(
      "after",
      `
  bash: echo 'source <(whisper-api completions bash)' >> ~/.bashrc
  zsh:  echo 'source <(whisper-api completions zsh)' >> ~/.zshrc
          (after compinit)
  fish: whisper-api completions fish \\
          > ~/.config/fish/completions/whisper-api.fish`,
    )
    .action(async (shell: Shell) => {
      const { parent } = command;
      if (parent) await printResult(`${writers[shell](wordsOf(parent)).join("\n")}\n`);
    });
};

/** What may stand somewhere: one of these words, a file, or a text that nobody can guess. */
type Value = readonly string[] | "file" | "text";

interface Flag {
  /** e.g. -f and --format */
  readonly names: readonly string[];
  readonly description: string;
  /** null: a switch. */
  readonly value: Value | null;
}

interface Word {
  /** e.g. ["models", "pull"]; [] is the program. */
  readonly path: readonly string[];
  readonly description: string;
  readonly flags: readonly Flag[];
  readonly commands: readonly Word[];
  /** null: it takes no arguments. */
  readonly argument: Value | null;
}

function wordsOf(command: Command, path: readonly string[] = []): Word {
  const help = command.createHelp();
  const [argument] = command.registeredArguments;
  return {
    path,
    description: command.description(),
    flags: help.visibleOptions(command).map(flagOf),
    commands: help.visibleCommands(command).map((inner) => wordsOf(inner, [...path, inner.name()])),
    argument: argument ? valueFor(argument, argument.name()) : null,
  };
}

function flagOf(option: Option): Flag {
  const [, placeholder = ""] = /[<[](.+?)(?:\.{3})?[>\]]/.exec(option.flags) ?? [];
  return {
    names: [option.short, option.long].filter((name) => name !== undefined),
    description: option.description,
    value: option.required || option.optional ? valueFor(option, placeholder) : null,
  };
}

function valueFor(owner: Option | Argument, placeholder: string): Value {
  const words = owner.argChoices ?? suggestionsOf(owner);
  return words ?? (/file|path|folder|source/.test(placeholder) ? "file" : "text");
}

const everyWord = (word: Word): Word[] => [word, ...word.commands.flatMap(everyWord)];
const namesOf = (flags: readonly Flag[]) => flags.flatMap(({ names }) => names);

/** For the shell: one word, whatever is in it. */
const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

type Shell = "bash" | "zsh" | "fish";
const writers: Readonly<Record<Shell, (program: Word) => string[]>> = { bash, zsh, fish };

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: the shell's
/** `-o default`: where we say nothing, file names are completed. */
function bash(program: Word): string[] {
  const words = everyWord(program);
  const steps = words.filter(({ path }) => path.length > 0).map(({ path }) => quoted(path.join(" ")));
  const flags = words.flatMap(({ path, flags: own }) =>
    own
      .filter(({ value }) => value !== null)
      .map(({ names, value }) => ({
        pattern: names.map((name) => quoted(`${path.join(" ")} ${name}`)).join("|"),
        words: Array.isArray(value) ? value.join(" ") : "",
      })),
  );
  const guessed = flags.filter(({ words: known }) => known !== "");
  const others = flags.filter(({ words: known }) => known === "").map(({ pattern }) => pattern);
  const lists = words.flatMap(({ path, flags: own, commands, argument }) => {
    const names = commands.map((inner) => inner.path.at(-1) ?? "");
    const plain = Array.isArray(argument) ? argument : names;
    return [
      `      ${quoted(path.join(" "))})`,
      `        if [[ $cur == -* ]]; then words=${quoted(namesOf(own).join(" "))}; else words=${quoted(plain.join(" "))}; fi ;;`,
    ];
  });
  return [
    "# whisper-api for bash",
    "_whisper_api() {",
    "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path='' words='' i",
    "  for ((i = 1; i < COMP_CWORD; i++)); do",
    '    case "${path:+$path }${COMP_WORDS[i]}" in',
    `      ${steps.join("|")})`,
    '        path="${path:+$path }${COMP_WORDS[i]}" ;;',
    "    esac",
    "  done",
    "  COMPREPLY=()",
    '  case "$path $prev" in',
    ...guessed.flatMap(({ pattern, words: known }) => [`    ${pattern})`, `      words=${quoted(known)} ;;`]),
    `    ${others.join("|")})`,
    "      return ;;",
    "    *)",
    '    case "$path" in',
    ...lists,
    "    esac ;;",
    "  esac",
    '  while IFS= read -r i; do COMPREPLY+=("$i"); done < <(compgen -W "$words" -- "$cur")',
    "}",
    "complete -o default -F _whisper_api whisper-api",
  ];
}

// biome-ignore-end lint/suspicious/noTemplateCurlyInString: the shell's
function zsh(program: Word): string[] {
  const name = (word: Word) => ["_whisper_api", ...word.path].join("_");
  // within [...] of _arguments, and before the colon that ends a message
  const escaped = (text: string) => text.replace(/[\\[\]:]/g, "\\$&");
  const action = (value: Value) =>
    Array.isArray(value) ? `:value:(${value.join(" ")})` : value === "file" ? ":file:_files" : ":text: ";
  const flag = ({ names, description, value }: Flag) => {
    const exclusive = names.length > 1 ? `(${names.join(" ")})` : "";
    const rest = quoted(`[${escaped(description)}]${value === null ? "" : action(value)}`);
    return names.length > 1 ? `${quoted(exclusive)}{${names.join(",")}}${rest}` : `${names[0]}${rest}`;
  };
  const body = (word: Word): string[] => {
    const flags = word.flags.map(flag);
    const call = (specs: readonly string[]) => specs.join(" \\\n    ");
    if (word.commands.length === 0) {
      return [
        call(["  _arguments", ...flags, ...(word.argument ? [quoted(`*${action(word.argument)}`)] : [])]),
      ];
    }
    return [
      "  local state line",
      call(["  _arguments -C", ...flags, "'1: :->command'", "'*:: :->rest'"]),
      "  case $state in",
      "    command)",
      "      local -a commands=(",
      ...word.commands.map(
        (inner) => `        ${quoted(`${inner.path.at(-1)}:${inner.description.replaceAll(":", "\\:")}`)}`,
      ),
      "      )",
      "      _describe command commands ;;",
      "    rest)",
      "      case $line[1] in",
      ...word.commands.map((inner) => `        ${inner.path.at(-1)}) ${name(inner)} ;;`),
      "      esac ;;",
      "  esac",
    ];
  };
  return [
    "#compdef whisper-api",
    ...everyWord(program).flatMap((word) => [`${name(word)}() {`, ...body(word), "}"]),
    'if [[ $funcstack[1] == _whisper_api ]]; then _whisper_api "$@"; else compdef _whisper_api whisper-api; fi',
  ];
}

function fish(program: Word): string[] {
  const seen = "__fish_seen_subcommand_from";
  return everyWord(program).flatMap((word) => {
    const inner = word.commands.map(({ path }) => path.at(-1)).join(" ");
    const isHere = word.path.map((name) => `${seen} ${name}`);
    const here = [...isHere, ...(inner ? [`not ${seen} ${inner}`] : [])].join("; and ");
    const line = (rest: string) => `complete -c whisper-api -n ${quoted(here || "true")} ${rest}`;
    const described = (text: string) => `-d ${quoted(text)}`;
    return [
      ...word.commands.map(({ path, description }) =>
        line(`-f -a ${quoted(path.at(-1) ?? "")} ${described(description)}`),
      ),
      ...(word.argument === "file" || inner ? [] : [line("-f")]),
      ...(Array.isArray(word.argument) ? [line(`-a ${quoted(word.argument.join(" "))}`)] : []),
      ...word.flags.map(({ names, description, value }) => {
        const flags = names.map((each) =>
          each.startsWith("--") ? `-l ${each.slice(2)}` : `-s ${each.slice(1)}`,
        );
        const takes =
          value === null
            ? ""
            : value === "file"
              ? "-r -F "
              : Array.isArray(value)
                ? `-x -a ${quoted(value.join(" "))} `
                : "-x ";
        return line(`${flags.join(" ")} ${takes}${described(description)}`);
      }),
    ];
  });
}
