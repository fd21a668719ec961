/** What may stand in the queries of the routes of tasks. */
import { t } from "elysia";
import { responseFormats } from "../../core/formats.ts";
import { taskStatuses } from "../../core/task.ts";
import { integerIn } from "../../http/form.ts";

export const pageDefaults = { page: 1, pageSize: 100 };

export const pageFields = {
  page: integerIn(1, 1_000_000, { default: pageDefaults.page, description: "Page of segments." }),
  pageSize: integerIn(1, 1000, { default: pageDefaults.pageSize, description: "Segments on a page." }),
  responseFormat: t.UnionEnum(responseFormats, {
    default: undefined,
    description: "Instead of the task: the transcript, as the answer to a request would have been.",
  }),
};

export const listDefaults = { limit: 20 };

export const listFields = {
  status: t.UnionEnum(taskStatuses, { default: undefined, description: "Only tasks of that status." }),
  limit: integerIn(1, 100, { default: listDefaults.limit, description: "Tasks on a page." }),
  after: t.String({ maxLength: 64, description: "Id of the last task of the page before." }),
};

export const deleteFields = {
  remove: t.Boolean({
    default: undefined,
    description:
      "`true`: nothing of the task is left. `false`: it is cancelled unless it has ended. Default: it is cancelled, or removed when it is completed or has failed.",
  }),
};

export const eventFields = {
  after: integerIn(0, 2 ** 31 - 1, {
    default: 0,
    description: "`sequence` of the last event that was read: the stream goes on behind it.",
  }),
};
