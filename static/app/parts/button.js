// A button for something that takes a moment.
import { html, useState } from "../lib.js";

/** @param {{act: () => Promise<any>, class?: string, disabled?: boolean, children: any}} props Disabled and marked while `act` is under way. */
export function Act({ act, class: kind = "", disabled = false, type = "button", children, ...rest }) {
    const [busy, setBusy] = useState(false);
    const go = async () => {
        setBusy(true);
        await Promise.resolve(act()).finally(() => setBusy(false));
    };
    return html`<button type=${type} class="${kind} ${busy ? "busy" : ""}" disabled=${disabled || busy} aria-busy=${busy} onClick=${go} ...${rest}>${children}</button>`;
}
