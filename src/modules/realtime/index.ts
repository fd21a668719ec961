/** Live transcription: GET /v1/realtime and the POST routes that make keys for it. */
import { Elysia } from "elysia";
import type { Deps } from "../../http/deps.ts";
import { bearerOf } from "../../http/guard.ts";
import { modelOf } from "../../http/model-names.ts";
import {
  betaSessionObject,
  defaultConfig,
  type SessionConfig,
  type Spoken,
  sessionObject,
  update,
  updateBeta,
} from "../../live/config.ts";
import { newId } from "../../live/events.ts";
import { closeCodes } from "../../live/limits.ts";
import { integer, object } from "../../live/read.ts";
import { secretDocs, sessionDocs, socketDocs } from "./docs.ts";
import { readJson } from "./json.ts";
import { Secrets } from "./secrets.ts";
import { Sessions } from "./sessions.ts";
import { callerOf, connect, type RealtimeState } from "./socket.ts";

/** Two parts, since keys are checked in different ways. `guard`: throws invalid_api_key. */
export function realtime(deps: Deps, guard: RealtimeState["guard"]) {
  const { config, models } = deps;
  const engine = models.defaultEngine;
  const spoken: Spoken = {
    model: engine.model.id,
    languagesOf(name) {
      const id = modelOf(name) ?? engine.model.id;
      if (id === engine.model.id) return engine.model.languages;
      return models.installed.find((model) => model.id === id)?.languages ?? null;
    },
  };
  const sessions = new Sessions({ all: config.maxSessions, perCaller: config.maxSessionsPerCaller });
  const secrets = new Secrets();
  const state: RealtimeState = { deps, guard, spoken, sessions, secrets };
  deps.stopping.addEventListener("abort", () => sessions.endAll(closeCodes.restart));

  const make = (
    request: Request,
    server: Parameters<typeof connect>[2],
    config: SessionConfig,
    ms: number,
  ) => {
    const key = bearerOf(request.headers.get("authorization")) ?? "";
    const caller = callerOf(deps, key, server?.requestIP(request)?.address ?? "");
    const { value, secret } = secrets.create(caller, config, ms);
    return { value, expires_at: Math.floor(secret.expiresAtMs / 1000) };
  };
  const identity = () => ({ id: newId("sess"), expiresAt: 0, detector: engine.detector });

  return {
    socket: new Elysia({ name: "realtime-socket" }).get(
      "/v1/realtime",
      ({ request, server }) => connect(state, request, server),
      { detail: socketDocs },
    ),
    secrets: new Elysia({ name: "realtime-secrets", prefix: "/v1/realtime" })
      .post(
        "/client_secrets",
        async ({ request, server }) => {
          const given = readSecret(await readJson(request), "body");
          const config =
            given.session === undefined ? defaultConfig : update(defaultConfig, given.session, spoken);
          const seconds = given.expires_after?.seconds ?? defaultSeconds;
          return {
            ...make(request, server, config, seconds * 1000),
            session: sessionObject(config, identity()),
          };
        },
        { parse: "none", detail: secretDocs },
      )
      .post(
        "/transcription_sessions",
        async ({ request, server }) => {
          const config = updateBeta(defaultConfig, await readJson(request), spoken);
          const client_secret = make(request, server, config, defaultSeconds * 1000);
          return { ...betaSessionObject(config, identity()), client_secret };
        },
        { parse: "none", detail: sessionDocs },
      ),
  };
}

const defaultSeconds = 600;

/** Its parts are read by what they are for. */
const any = (value: unknown) => value;
const readSecret = object({
  session: any,
  expires_after: object({ anchor: any, seconds: integer(10, 7200) }),
});
