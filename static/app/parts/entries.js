// Entries of the audit log: who did what to what, when; all of it on demand.
import { html } from "../lib.js";
import { services } from "../catalog.js";
import { instances, nameOf } from "../instances.js";
import { Table } from "./table.js";
import { Time } from "./time.js";
import { words } from "./format.js";

/** `instance.create` as people say it: `Instance: create`. */
export const actionWords = (action) => {
    const [area, ...rest] = action.split(".");
    return rest.length ? `${words(area)}: ${words(rest.join(" ")).toLowerCase()}` : words(action);
};

/** What an entry is about, as a link where there is a page for it. */
export function Target({ target, isAdmin = false }) {
    const [kind, ...rest] = target.split(":");
    const id = rest.join(":");
    const short = id.length === 36 ? `${id.slice(0, 8)}…` : id;
    if (kind === "instance") {
        const view = instances.value?.find((one) => one.id === id);
        return html`<a href=${`/app/instances/${id}`} title=${id}>${view ? nameOf(view, services.value) : html`instance <code>${short}</code>`}</a>`;
    }
    if (isAdmin && (kind === "user" || kind === "group")) return html`<a href=${`/app/admin/${kind}s/${id}`} title=${id}>${kind} <code>${short}</code></a>`;
    return html`<span title=${id}>${words(kind).toLowerCase()} ${id && html`<code>${short}</code>`}</span>`;
}

// `null` says only that something was not part of a change.
const said = (detail) => Object.entries(detail ?? {}).filter(([, value]) => value !== null && value !== "");
// Long ids tell nothing in a line; all of them are in what unfolds, and in an export.
const shorten = (text) => text.replace(/\b([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, "$1…");
const plain = (value) => shorten(typeof value === "object" ? JSON.stringify(value) : String(value));

function Detail({ detail }) {
    const known = said(detail);
    if (!known.length) return html`<span class="soft">—</span>`;
    const first = known.map(([name, value]) => `${words(name).toLowerCase()} ${plain(value)}`).join(", ");
    if (first.length < 60) return html`<span class="soft small">${first}</span>`;
    return html`<details class="entry-detail"><summary class="soft small">${first.slice(0, 48)}…</summary><pre>${JSON.stringify(detail, null, 2)}</pre></details>`;
}

/** @param {{caption: string, items: any[], who: (actor: string|null) => any, isAdmin?: boolean}} props */
export function Entries({ caption, items, who, isAdmin = false }) {
    const columns = [
        { name: "What", class: "e-what", cell: (entry) => html`<strong title=${entry.action}>${actionWords(entry.action)}</strong>` },
        { name: "To", class: "e-to", cell: (entry) => html`<${Target} target=${entry.target} isAdmin=${isAdmin} />` },
        { name: "By", class: "e-by", cell: (entry) => who(entry.actor) },
        { name: "About", class: "e-about", cell: (entry) => html`<${Detail} detail=${entry.detail} />` },
        { name: "When", class: "e-when nowrap", cell: (entry) => html`<${Time} at=${entry.at} />` },
    ];
    if (isAdmin) columns.unshift({ name: "No.", class: "e-seq tabular", cell: (entry) => html`<span class="soft">${entry.seq}</span>` });
    return html`<div class="entries"><${Table} caption=${caption} columns=${columns} rows=${items} id=${({ seq }) => seq} height=${49} /></div>`;
}
