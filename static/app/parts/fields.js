// Fields of forms: a label, what it is for, what is wrong with it.
import { html, useId } from "../lib.js";

/**
 * @param {{label: string, help?: any, error?: string, optional?: boolean, children: (props: object) => any}} props
 *   `children` makes the control from `{id, "aria-describedby", "aria-invalid"}`
 */
export function Field({ label, help, error, optional, children }) {
    const id = useId();
    const about = [help && `${id}-help`, error && `${id}-error`].filter(Boolean).join(" ") || undefined;
    return html`<div class="field"><label for=${id}>${label}${optional && html` <span class="soft">optional</span>`}</label>
        ${children({ id, "aria-describedby": about, "aria-invalid": error ? "true" : undefined })}
        ${help && html`<p class="help" id="${id}-help">${help}</p>`}${error && html`<p class="error" id="${id}-error">${error}</p>`}</div>`;
}

/** Text. `onText` is told the new text. */
export function Text({ label, help, error, optional, onText, multiline, ...rest }) {
    const onInput = (event) => onText(event.target.value);
    return html`<${Field} label=${label} help=${help} error=${error} optional=${optional}>${(props) => multiline
        ? html`<textarea ...${props} ...${rest} onInput=${onInput}></textarea>`
        : html`<input type="text" autocomplete="off" spellcheck="false" ...${props} ...${rest} onInput=${onInput} />`}</${Field}>`;
}

/** A secret: never shown, never remembered by the browser. */
export function SecretText(props) {
    return html`<${Text} type="password" autocomplete="new-password" autocapitalize="off" ...${props} />`;
}

/** One of some. @param {{options: [string, string][]}} props value and words of each */
export function Select({ label, help, error, optional, value, options, onText, ...rest }) {
    return html`<${Field} label=${label} help=${help} error=${error} optional=${optional}>${(props) => html`<select ...${props} ...${rest} value=${value} onChange=${(event) => onText(event.target.value)}>
        ${options.map(([key, words]) => html`<option key=${key} value=${key} selected=${key === value}>${words}</option>`)}</select>`}</${Field}>`;
}

/** Yes or no. */
export function Check({ label, help, checked, onCheck, ...rest }) {
    const id = useId();
    return html`<div class="check"><input type="checkbox" id=${id} checked=${checked} aria-describedby=${help ? `${id}-help` : undefined}
        onChange=${(event) => onCheck(event.target.checked)} ...${rest} /><div><label for=${id}>${label}</label>${help && html`<p class="help" id="${id}-help">${help}</p>`}</div></div>`;
}

/** One of a few that need words. @param {{options: {value: string, name: any, help?: any}[]}} props */
export function Choice({ label, value, options, onText }) {
    const name = useId();
    return html`<fieldset class="choice"><legend>${label}</legend>${options.map((option) => html`<label key=${option.value} class="card-choice">
        <input type="radio" name=${name} value=${option.value} checked=${option.value === value} onChange=${() => onText(option.value)} />
        <span><strong>${option.name}</strong>${option.help && html`<span class="help">${option.help}</span>`}</span></label>`)}</fieldset>`;
}
