// Times: relative, counted on by themselves, exact on hover.
import { html, signal } from "../lib.js";
import { dateTime, exact, relative } from "./format.js";

/** Now, in milliseconds; moves once a second while the tab is seen. */
export const now = signal(Date.now());
setInterval(() => document.hidden || (now.value = Date.now()), 1000);

/** @param {{at: string, form?: "relative"|"date"}} props */
export function Time({ at, form = "relative" }) {
    if (!at) return html`<span class="soft">—</span>`;
    const text = form === "date" ? dateTime(at) : relative(at, now.value);
    return html`<time datetime=${at} title=${exact(at)}>${text}</time>`;
}
