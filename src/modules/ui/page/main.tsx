/** The page: recordings at the left, the one that is read at the right. */
import { render } from "preact";
import { acceptDrops, Composer } from "./composer.tsx";
import { announcement } from "./describe.ts";
import { addFonts } from "./fonts.ts";
import { Header } from "./header.tsx";
import { Icon } from "./icons.tsx";
import { askForKey, KeyDialog } from "./key-dialog.tsx";
import { meetServer, trouble } from "./models.ts";
import { OptionsForm } from "./options-form.tsx";
import { selected } from "./queue.ts";
import { Reader } from "./reader.tsx";
import { Shelf, TaskList } from "./shelf.tsx";
import { refreshTasks } from "./tasks.ts";

const Page = () => (
  <>
    <Header />
    <main class={`layout${selected.value ? "" : " is-empty"}`}>
      <div class="side">
        {!selected.value && (
          <div class="welcome">
            <h1>Speech, in writing.</h1>
            <p>Recordings go to this server and to nobody else.</p>
          </div>
        )}
        <Absence />
        <Composer />
        <OptionsForm />
        <Shelf />
        <TaskList />
      </div>
      <Reader />
    </main>
    <p class="visually-hidden" role="status">
      {announcement(selected.value)}
    </p>
    <KeyDialog />
  </>
);

/** What keeps the whole page from working. */
function Absence() {
  const error = trouble.value;
  return (
    <div role="alert">
      {error && (
        <div class="trouble">
          <Icon name="warning" />
          <p>{error.status === 401 ? "This server asks for an API key." : error.message}</p>
          <button type="button" class="button" onClick={error.status === 401 ? askForKey : meetServer}>
            {error.status === 401 ? "Enter the key" : "Try again"}
          </button>
        </div>
      )}
    </div>
  );
}

addFonts();
acceptDrops();
render(<Page />, document.body);
void meetServer();
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && trouble.value === null) void refreshTasks();
});
