/** Reads server-sent events as the server writes them: `data:` lines with JSON, `[DONE]` last, comments between. */
export class EventReader {
  private rest = "";
  /** Whether `[DONE]` has come. A stream that ends without it has broken off. */
  isDone = false;

  constructor(private readonly onEvent: (event: unknown) => void) {}

  /** The next piece of the body; may end anywhere. */
  push(text: string): void {
    const lines = (this.rest + text).split(/\r?\n/);
    this.rest = lines.pop() ?? "";
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const data = line.slice(5).trim();
      if (data === "[DONE]") this.isDone = true;
      else this.onEvent(JSON.parse(data));
    }
  }
}
