/** A live session: in this process, or of a server. The same events go in and out. */
import { longestDelayMs, systemClock } from "../../core/clock.ts";
import { unlimitedAudio } from "../../core/limits.ts";
import { defaultConfig } from "../../live/config.ts";
import type { ServerEvent } from "../../live/events.ts";
import { defaultLimits } from "../../live/limits.ts";
import { Session } from "../../live/session.ts";
import { SharedAudio } from "../../live/shared-audio.ts";
import { Metrics } from "../../metrics.ts";
import { Failure } from "../command.ts";
import { commandLog, type Display } from "../terminal.ts";
import { openHere } from "../transcription/local.ts";
import { authorization, type ServerAddress } from "../transcription/remote.ts";

export interface Connection extends AsyncDisposable {
  /** An event of the client, in OpenAI's shape. */
  send(event: object): void;
}

export interface Listener {
  readonly received: (event: ServerEvent) => void;
  /** The session has ended by itself: nothing more will come. */
  readonly ended: (failure: Failure) => void;
}

/** Throws as `openHere`. */
export async function openLocal(
  model: string | undefined,
  display: Display,
  listener: Listener,
): Promise<Connection> {
  const { engine } = await openHere({ model, vad: true, display });
  const session = new Session({
    engine,
    use: async () => ({ engine, [Symbol.dispose]() {} }),
    spoken: { model: engine.model.id, languagesOf: () => engine.model.languages },
    log: commandLog,
    metrics: new Metrics(),
    requestId: "",
    clock: systemClock,
    limits: { ...defaultLimits, lifetimeMs: longestDelayMs },
    allowance: unlimitedAudio,
    share: new SharedAudio().share(),
    config: defaultConfig,
    dialect: "ga",
    send: (event) => listener.received(event as ServerEvent),
    close: (_, reason) => listener.ended(new Failure(`Listening has ended: ${reason}`)),
    // sound comes at its own pace
    read() {},
  });
  return {
    send: (event) => session.receive(JSON.stringify(event)),
    async [Symbol.asyncDispose]() {
      session.leave();
      await engine.close(0);
    },
  };
}

/** Throws Failure when there is no such server, or it refuses. */
export async function openRemote(server: ServerAddress, listener: Listener): Promise<Connection> {
  const url = `${server.url.replace(/^http/, "ws")}/v1/realtime?intent=transcription`;
  const socket = new WebSocket(url, { headers: authorization(server) } as never);
  const { promise, resolve, reject } = Promise.withResolvers<Connection>();
  let refusal = "";
  let isOpen = false;
  let isClosing = false;
  socket.onmessage = ({ data }) => {
    const event = JSON.parse(String(data)) as ServerEvent & { error?: { message: string } };
    // the first word of a server that takes us, and the last of one that does not
    if (event.type === "session.created") {
      isOpen = true;
      resolve(connection);
    }
    if (event.type === "error") refusal = event.error?.message ?? "";
    listener.received(event);
  };
  socket.onclose = ({ code, reason }) => {
    if (isClosing) return;
    const failure = new Failure(
      isOpen || refusal || reason
        ? `${server.url} has ended the session: ${refusal || reason || `code ${code}`}`
        : `${server.url} cannot be reached, or is no whisper-api`,
    );
    reject(failure);
    listener.ended(failure);
  };
  const connection: Connection = {
    send: (event) => void socket.send(JSON.stringify(event)),
    async [Symbol.asyncDispose]() {
      isClosing = true;
      socket.close();
    },
  };
  return promise;
}
