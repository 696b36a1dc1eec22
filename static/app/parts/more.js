// The button at the end of a list that goes on.
import { html } from "../lib.js";
import { Complaint } from "./states.js";

/** @param {{of: ReturnType<typeof import("../resource.js").usePages>}} props */
export function More({ of }) {
    if (!of.hasMore) return null;
    return html`<div class="stack tight more-row"><${Complaint} problem=${of.moreProblem} /><div class="row center"><button class="quiet" disabled=${of.moreBusy} aria-busy=${of.moreBusy} onClick=${of.more}>${of.moreBusy ? "Loading…" : "Show more"}</button></div></div>`;
}
