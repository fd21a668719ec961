import { AppError } from "../core/errors.ts";
import type { Task, Tasks } from "../store/tasks.ts";

/** A task of that caller. Throws task_not_found, also for one of somebody else: he is not to know of it. */
export async function ownTask(tasks: Tasks, caller: string, id: string): Promise<Task> {
  const task = await tasks.find(id);
  if (task?.caller === caller) return task;
  throw new AppError("task_not_found", "There is no task of that id", { param: "task_id" });
}
