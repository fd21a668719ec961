/**
 * GET /v1/realtime: the upgrade to a WebSocket and what goes over it. Bun's own interface, not Elysia's: that one reads texts as JSON
 * before we see them, and asks its hooks twice.
 */
import type { Server, ServerWebSocket } from "bun";
import type { Caller } from "../../core/caller.ts";
import { systemClock } from "../../core/clock.ts";
import { AppError } from "../../core/errors.ts";
import type { AudioAllowance } from "../../core/limits.ts";
import type { Deps } from "../../http/deps.ts";
import { bearerOf, type Identify, setCaller } from "../../http/guard.ts";
import { type Limits, limitHeaders } from "../../http/limits.ts";
import { modelOf } from "../../http/model-names.ts";
import { markUpgraded, requestId } from "../../http/trail.ts";
import { defaultConfig, type SessionConfig, type Spoken } from "../../live/config.ts";
import { type Dialect, errorEvent, newId } from "../../live/events.ts";
import { closeCodes, defaultLimits } from "../../live/limits.ts";
import { Session } from "../../live/session.ts";
import type { SharedAudio } from "../../live/shared-audio.ts";
import type { Secrets } from "./secrets.ts";
import type { Sessions } from "./sessions.ts";

/** For Bun's server. An append of 15 MiB fits into a frame; idle clients are asked whether they still live. */
export const socketLimits = {
  maxPayloadLength: 16 * 2 ** 20,
  idleTimeout: 40,
  perMessageDeflate: false,
} as const;

/** Unread events of a client that reads too slowly: then it is closed. */
const maxUnreadBytes = 2 ** 20;

/** OpenAI's close codes for what is wrong with the request itself. */
const refusalCodes = { key: 3000, shape: 4000 } as const;

type Socket = ServerWebSocket<Handlers>;

/** What Elysia's server calls on the data of a socket. */
interface Handlers {
  open(ws: Socket): void;
  message(ws: Socket, frame: string | Uint8Array): void;
  close(): void;
}

export interface RealtimeState {
  readonly deps: Deps;
  readonly identify: Identify;
  readonly limits: Limits;
  readonly spoken: Spoken;
  readonly sessions: Sessions;
  readonly secrets: Secrets;
  readonly sharedAudio: SharedAudio;
}

/** Whose session it is, and what it begins with. */
interface Opening {
  readonly caller: Caller;
  readonly config: SessionConfig;
}

/** Throws invalid_api_key or upgrade_required for requests that ask for no WebSocket. Those that do are told over it. */
export async function connect(
  state: RealtimeState,
  request: Request,
  server: Server<unknown> | null,
): Promise<Response> {
  const offered = (request.headers.get("sec-websocket-protocol") ?? "").split(",").map((name) => name.trim());
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
    await state.identify(request, server);
    throw upgradeRequired();
  }
  const headers = new Headers({ "x-request-id": requestId(request) });
  if (offered.includes("realtime")) headers.set("sec-websocket-protocol", "realtime");
  const data = await admit(state, request, offered, server);
  for (const [name, value] of limitHeaders(request)) headers.set(name, value);
  if (!server?.upgrade(request, { headers, data })) {
    data.close(); // it has taken a session's place
    throw upgradeRequired();
  }
  markUpgraded(request);
  return new Response();
}

const upgradeRequired = () => new AppError("upgrade_required", "Expected a request for a WebSocket");

async function admit(
  state: RealtimeState,
  request: Request,
  offered: readonly string[],
  server: Server<unknown> | null,
): Promise<Handlers> {
  const { deps, sessions, limits } = state;
  let code: number = refusalCodes.key;
  try {
    checkOrigin(deps, request);
    const opening = await identify(state, request, offered, server);
    const { caller } = opening;
    setCaller(request, caller);
    code = refusalCodes.shape;
    const config = configOf(state, request, opening);
    code = closeCodes.overload;
    await limits.admit(request, caller);
    const leave = sessions.enter(caller.id);
    const isBeta =
      /realtime=v1/.test(request.headers.get("openai-beta") ?? "") ||
      offered.includes("openai-beta.realtime-v1");
    const connection = { leave, requestId: requestId(request), allowance: limits.audio(caller) };
    return speaker(state, config, isBeta ? "beta" : "ga", connection);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return refuser(error, closeCodeOf(error) ?? code);
  }
}

/** Web pages may open WebSockets to anywhere: CORS does not hold them. */
function checkOrigin({ config }: Deps, request: Request): void {
  const origin = request.headers.get("origin")?.toLowerCase();
  const allowed = config.allowedOrigins;
  if (origin === undefined || allowed.includes("*") || allowed.includes(origin)) return;
  if (URL.parse(origin)?.host === request.headers.get("host")?.toLowerCase()) return; // our own page
  throw new AppError("origin_not_allowed", "Pages of this origin may not call: see ALLOWED_ORIGINS");
}

const keyProtocol = "openai-insecure-api-key.";

/** Where that says more than how far the request has come. */
function closeCodeOf({ code }: AppError): number | null {
  if (code === "origin_not_allowed") return closeCodes.policy;
  return code === "store_unavailable" ? closeCodes.overload : null;
}

/** Throws invalid_api_key or StoreUnavailable. */
async function identify(
  { identify, secrets }: RealtimeState,
  request: Request,
  offered: readonly string[],
  server: Server<unknown> | null,
): Promise<Opening> {
  const inProtocol = offered.find((name) => name.startsWith(keyProtocol))?.slice(keyProtocol.length);
  const header =
    request.headers.get("authorization") ?? (inProtocol === undefined ? null : `Bearer ${inProtocol}`);
  const key = bearerOf(header) ?? "";
  const secret = key.startsWith("ek_") ? secrets.find(key) : undefined;
  if (secret) return secret;
  return { caller: await identify(request, server, header), config: defaultConfig };
}

/** `?intent=transcription`, or `?model=`: old clients cannot send the former. Throws missing_model or invalid_model. */
function configOf({ spoken }: RealtimeState, request: Request, { config }: Opening): SessionConfig {
  const query = new URLSearchParams(/\?([^#]*)/.exec(request.url)?.[1] ?? "");
  const model = query.get("model");
  if (model === null && query.get("intent") !== "transcription" && config === defaultConfig) {
    throw new AppError("missing_model", "Expected intent=transcription or a model in the URL", {
      param: "model",
    });
  }
  if (model === null || config.transcription) return config;
  if (spoken.languagesOf(model)) {
    return { ...config, transcription: { model, language: null, prompt: null } };
  }
  // names of OpenAI's models for conversations, which their client for Python has to send
  if (/realtime/.test(model)) return config;
  throw new AppError("invalid_model", `The model '${model.slice(0, 60)}' does not exist`, { param: "model" });
}

function refuser(error: AppError, code: number): Handlers {
  return {
    open(ws) {
      sendJson(ws, { event_id: newId("event"), ...errorEvent(error) });
      ws.close(code, `${error.toJSON().type}.${error.code}`);
    },
    message() {},
    close() {},
  };
}

function speaker(
  { deps, spoken, sessions, sharedAudio }: RealtimeState,
  config: SessionConfig,
  dialect: Dialect,
  connection: {
    readonly leave: () => void;
    readonly requestId: string;
    readonly allowance: AudioAllowance;
  },
): Handlers {
  const { models, log, metrics } = deps;
  const startedAt = performance.now();
  let session: Session | null = null;
  return {
    open(ws) {
      session = new Session({
        engine: models.defaultEngine,
        use: (name, signal) => models.use(modelOf(name), signal),
        ...{ spoken, log, metrics, clock: systemClock, requestId: connection.requestId },
        limits: { ...defaultLimits, lifetimeMs: deps.config.sessionLifetimeMs },
        allowance: connection.allowance,
        share: sharedAudio.share(),
        config,
        dialect,
        send: (event) => sendJson(ws, event),
        close: (code, reason) => hangUp(ws, code, reason),
        read: (wanted) => (wanted ? ws.resume() : ws.pause()),
      });
      sessions.add(session);
      if (deps.stopping.aborted) session.end(closeCodes.restart);
    },
    message(_, frame) {
      session?.receive(frame);
    },
    close() {
      connection.leave();
      if (!session) return;
      session.leave();
      sessions.remove(session);
      log.info("session ended", {
        requestId: connection.requestId,
        session: session.id,
        ms: Math.round(performance.now() - startedAt),
        audioMs: session.audioMs,
        turns: session.turns,
      });
    },
  };
}

function sendJson(ws: Socket, event: object): void {
  ws.sendText(JSON.stringify(event));
  if (ws.getBufferedAmount() > maxUnreadBytes) hangUp(ws, closeCodes.overload, "slow_reader");
}

/** The client's half of the farewell has to be read. */
function hangUp(ws: Socket, code: number, reason: string): void {
  ws.resume();
  ws.close(code, reason);
}
