/** The program's entry: picks the command and turns failures into a sentence and an exit code. */
import { version } from "../package.json";
import { serve } from "./cli/serve.ts";
import { ConfigError, helpText } from "./config.ts";
import { ModelError } from "./models/ensure.ts";

const usage = `whisper-api ${version}: OpenAI-compatible speech to text

Usage: whisper-api serve

Settings (environment):
${helpText()}`;

const [command = "serve"] = process.argv.slice(2);
if (command === "--help" || command === "help") {
  console.log(usage);
} else if (command === "--version") {
  console.log(version);
} else if (command === "serve") {
  await serve().catch((error) => fail(error));
  process.exit(0);
} else {
  console.error(`Expected a command but received ${JSON.stringify(command)}\n\n${usage}`);
  process.exitCode = 2;
}

/** What went wrong at the start, and what to do about it. */
function fail(error: unknown): never {
  const { message, code } = error as Error & { code?: string };
  if (error instanceof ConfigError || error instanceof ModelError) console.error(message);
  else if (code === "EADDRINUSE") console.error(`The port is in use. Set PORT to another one.\n${message}`);
  else console.error(error);
  process.exit(2);
}
