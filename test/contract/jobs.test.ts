/** The contract on both queues, and what each of them does beyond it. */
import { sqliteStores } from "../helpers/stores.ts";
import { jobsContract } from "./jobs.ts";

jobsContract("jobs in SQLite files", sqliteStores);
