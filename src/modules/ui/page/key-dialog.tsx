/** The key: asked for in a dialog, kept in this browser. */
import { useRef } from "preact/hooks";
import { Icon } from "./icons.tsx";
import { meetServer } from "./models.ts";
import { apiKey } from "./settings.ts";

const dialogId = "key-dialog";

export function askForKey(): void {
  const dialog = document.getElementById(dialogId);
  if (dialog instanceof HTMLDialogElement && !dialog.open) dialog.showModal();
}

export function KeyDialog() {
  const field = useRef<HTMLInputElement>(null);
  const save = () => {
    apiKey.value = field.current?.value.trim() ?? "";
    void meetServer();
  };
  return (
    <dialog id={dialogId} class="dialog" aria-labelledby="key-title">
      <form method="dialog" onSubmit={save}>
        <h2 id="key-title">API key</h2>
        <p id="key-help" class="quiet">
          What the server was started with as <code>API_KEY</code>. It is kept in this browser and sent to
          this server only.
        </p>
        <label class="field">
          <span>Key</span>
          <input
            ref={field}
            type="password"
            autocomplete="off"
            spellcheck={false}
            aria-describedby="key-help"
            value={apiKey.value}
          />
        </label>
        <div class="dialog-actions">
          <button
            type="button"
            class="button"
            onClick={(event) => event.currentTarget.closest("dialog")?.close()}
          >
            Not now
          </button>
          <button type="submit" class="button primary">
            Save
          </button>
        </div>
      </form>
    </dialog>
  );
}

export const KeyButton = () => (
  <button type="button" class="button ghost" onClick={askForKey}>
    <Icon name="key" />
    <span class="wide-only">API key</span>
    <span class="narrow-only visually-hidden">API key</span>
    {apiKey.value !== "" && <span class="dot" role="img" aria-label="set" />}
  </button>
);
