// The crash card: why an instance does not run, in a form that a person can act on.
import { html } from "../lib.js";
import { bytes, count } from "./format.js";
import { CopyBlock } from "./copy.js";
import { Icon } from "./icon.js";
import { Time } from "./time.js";

/** How it ended, in words. */
export function reasonWords({ reason, out_of_memory: memory, memory_limit: limit }) {
    if (memory) return `Out of memory${limit ? ` at ${bytes(limit)}` : ""}`;
    if (reason.kind === "code") return `Exited with code ${reason.code}`;
    if (reason.kind === "signal") return reason.signal === 9 ? "Killed by signal 9 (SIGKILL)" : `Ended by signal ${reason.signal}`;
    const before = { spawn_failed: "Could not start: ", not_ready: "Did not become ready: ", unhealthy: "Unhealthy: ", quota_reached: "Not started: " };
    return (before[reason.kind] ?? "") + reason.detail;
}

/** @param {{card: any, title?: string, actions?: any}} props */
export function CrashCard({ card, title, actions }) {
    return html`<section class="card crash" aria-label="What went wrong"><header><h2><${Icon} name="warn" /> ${title ?? reasonWords(card)}</h2><span class="soft small"><${Time} at=${card.at} /></span></header>
        <div class="body stack">${title && html`<p>${reasonWords(card)}</p>`}
            ${card.restarts > 0 && html`<p class="soft">It was started again ${count(card.restarts, "time")} before Berth gave up.</p>`}
            ${card.changed?.length > 0 && html`<div><h3>Changed since it last started well</h3><ul class="bullets">${card.changed.map((line) => html`<li>${line}</li>`)}</ul></div>`}
            ${card.stderr_tail?.length > 0 && html`<div class="stack tight"><h3>Its last words</h3><${CopyBlock} text=${card.stderr_tail.join("\n")} label="Last lines of its standard error" /></div>`}</div>
        ${actions && html`<footer>${actions}</footer>`}</section>`;
}
