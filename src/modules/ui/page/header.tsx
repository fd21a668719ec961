import { chooseId } from "./composer.tsx";
import { Icon } from "./icons.tsx";
import { KeyButton } from "./key-dialog.tsx";
import { selected } from "./queue.ts";
import { theme, themes } from "./settings.ts";

/** On narrow screens it is below the text that is read. */
function goToComposer(): void {
  document.getElementById(chooseId)?.focus();
}

const themeIcons = { system: "system", light: "sun", dark: "moon" } as const;

export const Header = () => (
  <header class="header">
    <a class="brand" href="./" aria-label="Whisper API, home">
      <svg class="brand-mark" viewBox="0 0 28 28" aria-hidden="true">
        <path d="M4 12v4M9 8v12M14 4v20M19 9v10M24 12v4" />
      </svg>
      <span>Whisper API</span>
    </a>
    <nav class="header-actions" aria-label="Page">
      {selected.value && (
        <button type="button" class="button ghost narrow-only" onClick={goToComposer}>
          Add
        </button>
      )}
      <a class="button ghost" href="docs">
        API <span class="wide-only">reference</span>
      </a>
      <KeyButton />
      <ThemeButton />
    </nav>
  </header>
);

function ThemeButton() {
  const at = Math.max(0, themes.indexOf(theme.value as (typeof themes)[number]));
  const now = themes[at] ?? "system";
  const next = themes[(at + 1) % themes.length] ?? "system";
  return (
    <button
      type="button"
      class="button ghost icon-only"
      aria-label={`Theme: ${now}. Change to ${next}`}
      title={`Theme: ${now}`}
      onClick={() => {
        theme.value = next;
      }}
    >
      <Icon name={themeIcons[now]} />
    </button>
  );
}
