// A dialog with a form that is sent once; what goes wrong is said in it. What was typed is gone when it closes.
import { html, useState } from "../lib.js";
import { CopyLine } from "./copy.js";
import { Dialog } from "./dialog.js";
import { Complaint, Note } from "./states.js";

/**
 * @param {{title: string, act: string, busy?: string, danger?: boolean, disabled?: boolean, wide?: boolean,
 *   send: () => Promise<any>, onClose: () => void, onProblem?: (problem: Error) => boolean, children: any}} props
 *   `send` does it; the dialog closes afterwards unless it resolves to `"stay"`. `onProblem` answers whether it has said so itself.
 */
export function FormDialog({ title, act, busy: busyWords = "One moment…", danger, disabled, wide, send, onClose, onProblem, children }) {
    const [busy, setBusy] = useState(false);
    const [problem, setProblem] = useState(null);
    const submit = async (event) => {
        event.preventDefault();
        setBusy(true);
        setProblem(null);
        try {
            const answer = await send();
            if (answer === "stay") setBusy(false);
            else onClose();
        } catch (problem) {
            setBusy(false);
            if (!onProblem?.(problem)) setProblem(problem);
        }
    };
    return html`<${Dialog} title=${title} wide=${wide} onClose=${onClose}><form onSubmit=${submit}>${children}
        <${Complaint} problem=${problem} />
        <div class="row end"><button type="button" class="quiet" onClick=${onClose}>Cancel</button>
            <button class=${danger ? "danger" : ""} disabled=${busy || disabled} aria-busy=${busy}>${busy ? busyWords : act}</button></div></form></${Dialog}>`;
}

/** A secret that is shown once. @param {{title: string, secret: string, label: string, onClose: () => void, children?: any}} props */
export function Once({ title, secret, label, onClose, children }) {
    return html`<${Dialog} title=${title} onClose=${onClose}><${Note} tone="good">Copy it now: it is shown only here, and only this once.</${Note}>
        ${children}<div class="field"><strong>${label}</strong><${CopyLine} text=${secret} label=${label} /></div>
        <div class="row end"><button onClick=${onClose}>Done</button></div></${Dialog}>`;
}
