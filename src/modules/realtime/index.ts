/** Live transcription: GET /v1/realtime and the POST routes that make keys for it. */
import { Elysia } from "elysia";
import { unixSeconds } from "../../core/formats.ts";
import { integer, object } from "../../core/read.ts";
import type { Deps } from "../../http/deps.ts";
import { callerOf, type Identify } from "../../http/guard.ts";
import { readJson } from "../../http/json.ts";
import type { Limits } from "../../http/limits.ts";
import { modelOf } from "../../http/model-names.ts";
import { defaultConfig, type SessionConfig, type Spoken } from "../../live/config.ts";
import { newId } from "../../live/events.ts";
import { closeCodes } from "../../live/limits.ts";
import { betaSessionObject, sessionObject, update, updateBeta } from "../../live/session-object.ts";
import { SharedAudio } from "../../live/shared-audio.ts";
import { secretDocs, sessionDocs, socketDocs } from "./docs.ts";
import { Secrets } from "./secrets.ts";
import { Sessions } from "./sessions.ts";
import { connect, type RealtimeState } from "./socket.ts";

/** Two parts, since keys are checked in different ways. */
export function realtime(deps: Deps, identify: Identify, limits: Limits) {
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
  const sessions = new Sessions(
    { all: config.maxSessions, perCaller: config.maxSessionsPerCaller },
    deps.metrics,
  );
  const secrets = new Secrets();
  const state: RealtimeState = {
    deps,
    identify,
    limits,
    spoken,
    sessions,
    secrets,
    sharedAudio: new SharedAudio(),
  };
  deps.stopping.addEventListener("abort", () => sessions.endAll(closeCodes.restart));

  const make = (request: Request, config: SessionConfig, ms: number) => {
    const { value, secret } = secrets.create(callerOf(request), config, ms);
    return { value, expires_at: unixSeconds(secret.expiresAtMs) };
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
        async ({ request }) => {
          const given = readSecret(await readJson(request), "body");
          const config =
            given.session === undefined ? defaultConfig : update(defaultConfig, given.session, spoken);
          const seconds = given.expires_after?.seconds ?? defaultSeconds;
          return {
            ...make(request, config, seconds * 1000),
            session: sessionObject(config, identity()),
          };
        },
        { parse: "none", detail: secretDocs },
      )
      .post(
        "/transcription_sessions",
        async ({ request }) => {
          const config = updateBeta(defaultConfig, await readJson(request), spoken);
          const client_secret = make(request, config, defaultSeconds * 1000);
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
