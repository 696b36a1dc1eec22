// Short words about what was done, with a way back where there is one.
import { html, signal } from "../lib.js";
import { Icon } from "./icon.js";

const shown = signal([]);
let last = 0;

const drop = (id) => (shown.value = shown.value.filter((toast) => toast.id !== id));

/** @param {string} text @param {{undo?: () => any, tone?: "good"|"bad", lasts?: number}} [options] */
export function toast(text, { undo, tone = "good", lasts } = {}) {
    const id = ++last;
    shown.value = [...shown.value.slice(-3), { id, text, undo, tone }];
    setTimeout(() => drop(id), lasts ?? (undo || tone === "bad" ? 10_000 : 5000));
}

/** Says that something failed. */
export const complain = (problem) => problem.kind === "session" || toast(problem.message, { tone: "bad" });

/** Does something and says so: `done` when it worked, why when it did not. Answers whether it worked. */
export async function attempt(work, done, options) {
    try {
        const result = await work();
        if (done) toast(done, options);
        return result ?? true;
    } catch (problem) {
        complain(problem);
        return false;
    }
}

function Toast({ id, text, undo, tone }) {
    const back = () => {
        drop(id);
        attempt(undo);
    };
    return html`<div class="toast ${tone}"><${Icon} name=${tone === "bad" ? "warn" : "check"} /><span>${text}</span>
        ${undo && html`<button class="text" onClick=${back}>Undo</button>`}
        <button class="text square" aria-label="Dismiss" onClick=${() => drop(id)}><${Icon} name="close" /></button></div>`;
}

/** Where they appear; the shell has it. */
export function Toasts() {
    return html`<div class="toasts" role="status" aria-live="polite">
        ${shown.value.map((toast) => html`<${Toast} key=${toast.id} ...${toast} />`)}</div>`;
}
