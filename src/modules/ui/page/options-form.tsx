/** How the next recordings are transcribed. */
import type { ComponentChildren } from "preact";
import { languageName } from "../../../core/languages.ts";
import { models } from "./models.ts";
import { type Options, options } from "./settings.ts";
import { takesTasks } from "./tasks.ts";

const set = (change: Partial<Options>) => {
  options.value = { ...options.value, ...change };
};

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

export function OptionsForm() {
  const { model, language, translate, prompt, words, vad, temperature, background } = options.value;
  const chosen = models.value.find(({ id }) => id === model) ?? models.value[0];
  const languages = (chosen?.languages ?? [])
    .map((code) => ({ code, name: capital(languageName(code)) }))
    .sort((a, b) => a.name.localeCompare(b.name));
  const isKnown = languages.some(({ code }) => code === language);
  return (
    <form class="options" aria-label="Options" onSubmit={(event) => event.preventDefault()}>
      <div class="options-row">
        <label class="field">
          <span>Language</span>
          <select value={language} onChange={(event) => set({ language: event.currentTarget.value })}>
            <option value="">Detect</option>
            {language !== "" && !isKnown && (
              <option value={language}>{capital(languageName(language))}</option>
            )}
            {languages.map(({ code, name }) => (
              <option key={code} value={code}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          <span>Model</span>
          <select
            value={chosen?.id ?? ""}
            disabled={models.value.length === 0}
            onChange={(event) => set({ model: event.currentTarget.value })}
          >
            {models.value.length === 0 && <option value="">Not known</option>}
            {models.value.map(({ id }) => (
              <option key={id} value={id}>
                {id}
              </option>
            ))}
          </select>
        </label>
      </div>
      <details class="more">
        <summary>More options</summary>
        <div class="more-body">
          <Switch
            isOn={translate}
            onChange={(value) => set({ translate: value })}
            name="Translate to English"
          >
            Whatever language is spoken.
          </Switch>
          <Switch isOn={words} onChange={(value) => set({ words: value })} name="Word times">
            Click a word to hear it; doubtful ones are underlined.
          </Switch>
          <Switch isOn={vad} onChange={(value) => set({ vad: value })} name="Skip silence">
            Only where somebody speaks is transcribed.
          </Switch>
          {takesTasks.value && (
            <Switch isOn={background} onChange={(value) => set({ background: value })} name="As a task">
              The server goes on when this page is closed. For long recordings.
            </Switch>
          )}
          <label class="field">
            <span>Prompt</span>
            <textarea
              rows={2}
              placeholder="Names and terms that occur, or text in the style you want"
              value={prompt}
              onInput={(event) => set({ prompt: event.currentTarget.value })}
            />
          </label>
          <label class="field">
            <span>
              Temperature <output>{temperature.toFixed(1)}</output>
            </span>
            <input
              type="range"
              min={0}
              max={1}
              step={0.1}
              value={temperature}
              onInput={(event) => set({ temperature: event.currentTarget.valueAsNumber })}
            />
          </label>
        </div>
      </details>
      {chosen?.warning && <p class="note">{chosen.warning}</p>}
    </form>
  );
}

interface SwitchProps {
  isOn: boolean;
  onChange: (isOn: boolean) => void;
  name: string;
  children: ComponentChildren;
}

const Switch = ({ isOn, onChange, name, children }: SwitchProps) => (
  <label class="switch">
    <input
      type="checkbox"
      role="switch"
      aria-checked={isOn}
      checked={isOn}
      onChange={(event) => onChange(event.currentTarget.checked)}
    />
    <span>
      {name}
      <small>{children}</small>
    </span>
  </label>
);
