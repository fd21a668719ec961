/** How a process that goes on until it is told to stop is told. */

/** Runs `stop` at the first SIGTERM or SIGINT; a second SIGINT ends the process at once. */
export function stopOnSignal(stop: () => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    let stopping = false;
    const onSignal = (signal: NodeJS.Signals) => {
      if (stopping && signal === "SIGINT") process.exit(130);
      if (stopping) return;
      stopping = true;
      stop().then(resolve, reject);
    };
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
  });
}
