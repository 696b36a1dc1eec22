// Dialogs: the browser's own `<dialog>`, which keeps the focus inside, closes with Esc and gives the focus back.
import { html, signal, useEffect, useId, useRef, useState } from "../lib.js";
import { Icon } from "./icon.js";
import { Complaint } from "./states.js";

/** @param {{title: string, onClose: () => void, wide?: boolean, children: any}} props Open as long as it is rendered. */
export function Dialog({ title, onClose, wide = false, children }) {
    const box = useRef(null);
    const id = useId();
    useEffect(() => {
        box.current.showModal();
        return () => box.current?.close();
    }, []);
    const outside = (event) => event.target === box.current && onClose();
    return html`<dialog ref=${box} class=${wide ? "wide" : ""} aria-labelledby=${id} onClose=${onClose} onMouseDown=${outside}>
        <div class="dialog-body"><header><h2 id=${id}>${title}</h2>
            <button class="text square" aria-label="Close" onClick=${onClose}><${Icon} name="close" /></button></header>
        ${children}</div></dialog>`;
}

const asked = signal(null);

/**
 * Asks before something is done, does it, and shows in place why it failed. Resolves to whether it was done.
 * @param {{title: string, text: any, act: string, danger?: boolean, run: () => Promise<any>, type?: string}} question
 *   `type`: a word to be typed first, for what cannot be undone
 * @returns {Promise<boolean>}
 */
export const confirm = (question) => new Promise((done) => (asked.value = { ...question, done }));

function Question({ title, text, act, danger, run, type, done }) {
    const [busy, setBusy] = useState(false);
    const [problem, setProblem] = useState(null);
    const [typed, setTyped] = useState("");
    const end = (answer) => {
        asked.value = null;
        done(answer);
    };
    const go = async (event) => {
        event.preventDefault();
        setBusy(true);
        setProblem(null);
        try {
            await run();
            end(true);
        } catch (problem) {
            setBusy(false);
            setProblem(problem);
        }
    };
    return html`<${Dialog} title=${title} onClose=${() => busy || end(false)}><form onSubmit=${go}>
        <div>${text}</div>
        ${type && html`<label class="field"><span>Type <strong>${type}</strong> to go on</span>
            <input value=${typed} autocomplete="off" onInput=${(event) => setTyped(event.target.value)} /></label>`}
        <${Complaint} problem=${problem} />
        <div class="row end"><button type="button" class="quiet" onClick=${() => end(false)}>Cancel</button>
        <button class=${danger ? "danger" : ""} disabled=${busy || (type && typed !== type)}>${busy ? "One moment…" : act}</button></div>
    </form></${Dialog}>`;
}

/** Where questions appear; the shell has it. */
export function Questions() {
    return asked.value && html`<${Question} ...${asked.value} />`;
}
