/**
 * A process that does transcription jobs of a store until it is killed, or, told so on stdin, closes its worker and ends. Arguments:
 * the store's address, jobs at the same time, time for each in milliseconds. It prints "works" when it takes jobs, and a line for each
 * job that begins, ends or is aborted, with the time in milliseconds and parts of one.
 */

import { recordingLog } from "../helpers/log.ts";
import { openStoreAt } from "../helpers/stores.ts";

const [address = "", concurrency = "1", jobMs = "0"] = Bun.argv.slice(2);
const store = openStoreAt(address, recordingLog().log);
const say = (what: string, id: string, attempt: number) =>
  console.log(JSON.stringify({ at: performance.timeOrigin + performance.now(), what, id, attempt }));

const worker = store.jobs.work("transcription", Number(concurrency), async ({ id, attempt, signal }) => {
  say("begin", id, attempt);
  const aborted = Promise.withResolvers<"aborted">();
  signal.addEventListener("abort", () => aborted.resolve("aborted"));
  const how = await Promise.race([aborted.promise, Bun.sleep(Number(jobMs)).then(() => "done" as const)]);
  say(how, id, attempt);
  if (how === "aborted") throw signal.reason;
  return undefined;
});

console.log("works");
for await (const _ of process.stdin) break;
await worker.close(0);
await store.close();
process.exit();
