/** What every store of webhooks keeps to. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Delivery, type Webhook, type Webhooks, webhookLimits } from "../../src/store/webhooks.ts";

export interface OpenWebhooks extends AsyncDisposable {
  readonly webhooks: Webhooks;
}

let made = 0;

/** Ids sort by the order in which they are made. */
function webhook(values: Partial<Webhook> = {}): Webhook {
  made += 1;
  const number = String(made).padStart(6, "0");
  return {
    id: `wh_${number}`,
    caller: `key:${number}`,
    task: `task_${number}`,
    url: "https://receiver.example/hook?token=1%202",
    secret: 'whsec_AAAA "quoted" ünïcode\nsecond line',
    includeResult: true,
    createdAtMs: 1_700_000_000_000 + made,
    disabledAtMs: null,
    ...values,
  };
}

function delivery(of: Webhook, values: Partial<Delivery> = {}): Delivery {
  made += 1;
  return {
    id: `msg_${String(made).padStart(6, "0")}`,
    webhook: of.id,
    event: "transcription.completed",
    status: "pending",
    createdAtMs: 1_700_000_000_000 + made,
    nextAtMs: 1_700_000_000_000 + made,
    attempts: [],
    ...values,
  };
}

const failed = {
  atMs: 1_700_000_000_000,
  ms: 12,
  httpStatus: 500,
  error: 'It said "no"\nand ü',
} as const;
const unanswered = { ...failed, httpStatus: null };

const idsOf = (records: readonly { readonly id: string }[]) => records.map(({ id }) => id);

export function webhooksContract(name: string, open: () => Promise<OpenWebhooks>): void {
  describe(`${name}, like every store of webhooks,`, () => {
    let opened: OpenWebhooks;
    let webhooks: Webhooks;
    beforeAll(async () => {
      opened = await open();
      webhooks = opened.webhooks;
    });
    afterAll(async () => {
      await opened[Symbol.asyncDispose]();
    });

    const create = async (values: Partial<Webhook> = {}) => {
      const made = webhook(values);
      expect(await webhooks.create(made)).toBe(true);
      return made;
    };
    const add = async (of: Webhook, values: Partial<Delivery> = {}) => {
      const made = delivery(of, values);
      expect(await webhooks.addDelivery(made)).toBe(true);
      return made;
    };

    test("knows nothing of what was never made", async () => {
      expect(await webhooks.find("wh_none")).toBeNull();
      expect(await webhooks.findDelivery("msg_none")).toBeNull();
      expect(await webhooks.ofTask("none")).toEqual([]);
      expect(await webhooks.list("none", { limit: 10 })).toEqual([]);
      expect(await webhooks.deliveries("wh_none", 10)).toEqual([]);
      await webhooks.remove("wh_none");
      await webhooks.setDisabled("wh_none", 1);
      expect(await webhooks.find("wh_none")).toBeNull();
      await webhooks.recordAttempt("msg_none", failed, "pending", 1);
      expect(await webhooks.findDelivery("msg_none")).toBeNull();
    });

    test("gives a webhook back as it was made", async () => {
      for (const made of [await create(), await create({ includeResult: false, disabledAtMs: 5 })]) {
        expect(await webhooks.find(made.id)).toEqual(made);
      }
    });

    test("takes as many for a task as it may have, also when they come at once", async () => {
      const [task, caller] = ["task_full", "key:full"];
      const taken = await Promise.all(
        Array.from({ length: webhookLimits.perTask + 5 }, () => webhooks.create(webhook({ task, caller }))),
      );
      expect(taken.filter(Boolean)).toHaveLength(webhookLimits.perTask);
      const [first] = await webhooks.ofTask(task);
      expect(await webhooks.list(caller, { limit: 100 })).toHaveLength(webhookLimits.perTask);
      await webhooks.remove(first?.id ?? "");
      expect(await webhooks.create(webhook({ task, caller }))).toBe(true);
    });

    test("lists those of a caller, the last first, page by page, though the last of a page was removed", async () => {
      const caller = "key:pages";
      const all = [];
      for (let count = 0; count < 5; count += 1) all.push(await create({ caller }));
      await create({ caller: "key:pages-of-another" });
      const ids = idsOf(all).reverse();
      const first = idsOf(await webhooks.list(caller, { limit: 2 }));
      expect(first).toEqual(ids.slice(0, 2));
      await webhooks.remove(first[1] ?? "");
      expect(idsOf(await webhooks.list(caller, { limit: 2, after: first[1] ?? "" }))).toEqual(
        ids.slice(2, 4),
      );
      expect(idsOf(await webhooks.list(caller, { limit: 9, after: ids[3] ?? "" }))).toEqual(ids.slice(4));
      expect(await webhooks.list(caller, { limit: 9, after: ids[4] ?? "" })).toEqual([]);
    });

    test("disables and enables one", async () => {
      const { id } = await create();
      await webhooks.setDisabled(id, 1234);
      expect((await webhooks.find(id))?.disabledAtMs).toBe(1234);
      await webhooks.setDisabled(id, null);
      expect((await webhooks.find(id))?.disabledAtMs).toBeNull();
    });

    test("removes one with its deliveries, and leaves the others", async () => {
      const task = "task_removal";
      const [gone, other] = [await create({ task }), await create({ task })];
      const lost = [await add(gone, { nextAtMs: 1 }), await add(gone, { nextAtMs: 1 })];
      const kept = await add(other, { nextAtMs: 1 });
      await webhooks.remove(gone.id);
      await webhooks.remove(gone.id);
      expect(await webhooks.find(gone.id)).toBeNull();
      for (const { id } of lost) expect(await webhooks.findDelivery(id)).toBeNull();
      expect(idsOf(await webhooks.ofTask(task))).toEqual([other.id]);
      expect(await webhooks.list(gone.caller, { limit: 9 })).toEqual([]);
      expect(idsOf(await webhooks.overdue(2, 9))).toEqual([kept.id]);
      await webhooks.recordAttempt(lost[0]?.id ?? "", failed, "pending", 1);
      expect(idsOf(await webhooks.overdue(2, 9))).toEqual([kept.id]);
      expect(await webhooks.addDelivery(delivery(gone))).toBe(false);
      expect(await webhooks.deliveries(gone.id, 9)).toEqual([]);
      await webhooks.remove(other.id);
    });

    test("stores a delivery once, also when it comes many times at once", async () => {
      const made = delivery(await create());
      const stored = await Promise.all(Array.from({ length: 8 }, () => webhooks.addDelivery(made)));
      expect(stored.filter(Boolean)).toHaveLength(1);
      await webhooks.recordAttempt(made.id, failed, "failed", null);
      expect(await webhooks.addDelivery(made)).toBe(false);
      expect(await webhooks.findDelivery(made.id)).toMatchObject({ status: "failed" });
      expect(await webhooks.deliveries(made.webhook, 9)).toHaveLength(1);
    });

    test("gives a delivery back as it was made, and with its attempts in their order", async () => {
      const made = await add(await create());
      expect(await webhooks.findDelivery(made.id)).toEqual(made);
      await webhooks.recordAttempt(made.id, failed, "pending", 1_700_000_000_999);
      await webhooks.recordAttempt(made.id, unanswered, "delivered", null);
      expect(await webhooks.findDelivery(made.id)).toEqual({
        ...made,
        status: "delivered",
        nextAtMs: null,
        attempts: [failed, unanswered],
      });
    });

    test("keeps the newest deliveries of a webhook", async () => {
      const of = await create();
      const all = [];
      for (let count = 0; count < webhookLimits.deliveries + 3; count += 1)
        all.push((await add(of, { nextAtMs: 7 })).id);
      const kept = all.slice(3).reverse();
      expect(idsOf(await webhooks.deliveries(of.id, 1000))).toEqual(kept);
      expect(idsOf(await webhooks.deliveries(of.id, 2))).toEqual(kept.slice(0, 2));
      for (const id of all.slice(0, 3)) expect(await webhooks.findDelivery(id)).toBeNull();
      expect(idsOf(await webhooks.overdue(8, 1000)).sort()).toEqual(kept.sort());
      await webhooks.remove(of.id);
    });

    test("tells which pending deliveries are overdue, the longest first", async () => {
      const of = await create();
      const late = await add(of, { nextAtMs: 200 });
      const later = await add(of, { nextAtMs: 100 });
      const done = await add(of, { nextAtMs: 100 });
      await webhooks.recordAttempt(done.id, failed, "delivered", null);
      await add(of, { status: "delivered", nextAtMs: null });
      expect(idsOf(await webhooks.overdue(201, 9))).toEqual([later.id, late.id]);
      expect(idsOf(await webhooks.overdue(200, 9))).toEqual([later.id]);
      expect(idsOf(await webhooks.overdue(201, 1))).toEqual([later.id]);
      await webhooks.recordAttempt(later.id, failed, "pending", 300);
      expect(idsOf(await webhooks.overdue(1000, 9))).toEqual([late.id, later.id]);
      await webhooks.remove(of.id);
    });

    test("tells which webhooks never had a delivery, page by page", async () => {
      const from = (await create()).id;
      const all = [await create(), await create(), await create()];
      expect(idsOf(await webhooks.untold(2, from))).toEqual(idsOf(all).slice(0, 2));
      expect(idsOf(await webhooks.untold(9, all[1]?.id))).toEqual([all[2]?.id ?? ""]);
      await add(all[0] as Webhook);
      await webhooks.remove(all[1]?.id ?? "");
      expect(idsOf(await webhooks.untold(9, from))).toEqual([all[2]?.id ?? ""]);
      expect(idsOf(await webhooks.untold(1000))).toContain(from);
    });
  });
}
