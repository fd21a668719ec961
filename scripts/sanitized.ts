/**
 * Loaded into every Bun of scripts/sanitize.mjs' tests before anything else. Puts the sanitized addon in the place of the other,
 * and takes away the signal stack of Bun's main thread: AddressSanitizer clears its marks on that whenever C++ throws, and
 * gives up because it does not begin at a multiple of 8.
 */
import { dlopen } from "bun:ffi";
import { join } from "node:path";
import { plugin } from "bun";

const disabled = 2; // SS_DISABLE
const { symbols } = dlopen("libc.so.6", { sigaltstack: { args: ["ptr", "ptr"], returns: "int" } });
symbols.sigaltstack(new BigUint64Array([0n, BigInt(disabled), 0n]), null);

plugin({
  name: "the sanitized addon",
  setup(build) {
    build.onResolve({ filter: /build\/Release\/whisper\.node$/ }, () => ({
      path: join(import.meta.dir, "../build/address/Release/whisper.node"),
    }));
    // what takes a second takes ten, and the limits that a test sets itself are for the other addon
    build.onLoad({ filter: /\/test\/native\/[\w-]+\.test\.ts$/ }, async ({ path }) => ({
      loader: "ts",
      contents: (await Bun.file(path).text()).replace(
        /^(setDefaultTimeout\(|\}, )[^;{}]+\);$/gm,
        "$13_600_000);",
      ),
    }));
  },
});

/** A worker does not inherit what is loaded first. */
globalThis.Worker = class extends Worker {
  constructor(url: string | URL, options?: WorkerOptions) {
    super(url, { preload: import.meta.path, ...options });
  }
};
