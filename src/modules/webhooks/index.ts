/** /v1/webhooks: who is told that a task has ended, and what came of telling him. */
import { Elysia } from "elysia";
import { AppError } from "../../core/errors.ts";
import type { Deps } from "../../http/deps.ts";
import { callerOf } from "../../http/guard.ts";
import { readJson } from "../../http/json.ts";
import { listObject } from "../../http/list.ts";
import { readQuery } from "../../http/query.ts";
import { createDocs, deleteDocs, deliveriesDocs, findDocs, listDocs, redeliverDocs } from "./docs.ts";
import { deliveryObject, listDefaults, listFields, readWanted, webhookObject } from "./schema.ts";

export const webhooks = ({ webhooks, store }: Pick<Deps, "webhooks" | "store">) => {
  // Elysia's router gives null for a malformed escape like %zz.
  const find = (request: Request, id: string | null) => webhooks.find(callerOf(request).id, id ?? "");

  return new Elysia({ name: "webhooks", prefix: "/v1/webhooks" })
    .post(
      "",
      async ({ request }) => {
        const given = readWanted(await readJson(request), "");
        const { url, secret = null, include_result: includeResult = false } = given;
        if (given.task_id === undefined) throw missing("task_id", "the id of a task");
        if (url === undefined) throw missing("url", "a URL");
        await webhooks.check({ url, secret }, { url: "url", secret: "secret" });
        const made = await webhooks.create(callerOf(request).id, given.task_id, {
          url,
          secret,
          includeResult,
        });
        return { ...webhookObject(made), signing_secret: made.secret };
      },
      { parse: "none", detail: createDocs },
    )
    .get(
      "",
      async ({ request }) => {
        const { limit = listDefaults.limit, after } = readQuery(listFields, request);
        const page = { limit: limit + 1, ...(after === undefined ? {} : { after }) };
        const found = await store.webhooks.list(callerOf(request).id, page);
        return listObject(found.slice(0, limit).map(webhookObject), found.length > limit);
      },
      { detail: listDocs },
    )
    .get(
      "/:webhook_id",
      async ({ request, params }) => webhookObject(await find(request, params.webhook_id)),
      {
        detail: findDocs,
      },
    )
    .delete(
      "/:webhook_id",
      async ({ request, params }) => {
        const { id } = await find(request, params.webhook_id);
        await store.webhooks.remove(id);
        return { id, object: "webhook.deleted", deleted: true };
      },
      { detail: deleteDocs },
    )
    .get(
      "/:webhook_id/deliveries",
      async ({ request, params }) => {
        const { id } = await find(request, params.webhook_id);
        // No pages: few are kept.
        return listObject((await store.webhooks.deliveries(id, 100)).map(deliveryObject), false);
      },
      { detail: deliveriesDocs },
    )
    .post(
      "/:webhook_id/redeliver",
      async ({ request, params, status }) => {
        const delivery = await webhooks.redeliver(await find(request, params.webhook_id));
        return status(202, deliveryObject(delivery));
      },
      { parse: "none", detail: redeliverDocs },
    );
};

const missing = (field: string, expected: string) =>
  new AppError("missing_required_parameter", `Expected ${expected} for ${field} but received none`, {
    param: field,
  });
