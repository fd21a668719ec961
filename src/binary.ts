/** The entry of the compiled program: what the addon needs of the system comes along, then everything is as in main.ts. */
import { dlopen } from "bun:ffi";
import gomp from "../build/Release/libgomp.so.1" with { type: "file" };

// The loader finds it by its name when the addon asks for it: a machine may have no compiler's libraries.
try {
  if (Bun.file(gomp).size > 0) dlopen(gomp, { omp_get_max_threads: { args: [], returns: "int" } });
} catch {
  // It could not be unpacked. The addon cannot be either, and says so to commands that need it.
}
await import("./main.ts");
