// Text to copy.
import { html, useState } from "../lib.js";
import { Icon } from "./icon.js";
import { toast } from "./toast.js";

async function put(text) {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    // Without TLS there is no clipboard API.
    const box = document.createElement("textarea");
    box.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(box);
    box.select();
    const done = document.execCommand("copy");
    box.remove();
    if (!done) throw new Error("refused");
}

/** @param {{text: string, label?: string, quiet?: boolean}} props */
export function Copy({ text, label = "Copy", what = "", icon = true }) {
    const [done, setDone] = useState(false);
    const copy = async () => {
        try {
            await put(text);
            setDone(true);
            setTimeout(() => setDone(false), 1600);
        } catch {
            toast("The browser does not let us copy; select the text and copy it by hand", { tone: "bad" });
        }
    };
    return html`<button type="button" class="quiet copy" onClick=${copy}>${icon && html`<${Icon} name=${done ? "check" : "copy"} />`}
        <span aria-live="polite">${done ? "Copied" : label}</span>${what && html`<span class="hidden"> ${what}</span>`}</button>`;
}

/** One line of text with its button. */
export function CopyLine({ text, label }) {
    return html`<div class="copy-line"><code tabindex="0" role="textbox" aria-readonly="true" aria-label=${label}>${text}</code><${Copy} text=${text} what=${label} /></div>`;
}

/** Several lines of code. */
export function CopyBlock({ text, label }) {
    return html`<figure class="copy-block"><pre tabindex="0" class=${text.includes("\n") ? "" : "one-line"} aria-label=${label}><code>${text}</code></pre><${Copy} text=${text} what=${label} /></figure>`;
}
