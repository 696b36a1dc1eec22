// The home page: all instances of the account, live; those that others share with it, too.
import { html, useEffect } from "../lib.js";
import { get } from "../api.js";
import { Title } from "../outlet.js";
import { go } from "../router.js";
import { failure, fetchAll, instances, nameOf } from "../instances.js";
import { services } from "../catalog.js";
import { useResource } from "../resource.js";
import { MainAction, MoreActions } from "../instance-actions.js";
import { StateBadge, stateWords } from "../parts/badge.js";
import { CopyLine } from "../parts/copy.js";
import { bytes, count } from "../parts/format.js";
import { Icon, ServiceIcon } from "../parts/icon.js";
import { Empty, Failure, Loading } from "../parts/states.js";
import { Table } from "../parts/table.js";
import { Time } from "../parts/time.js";

const groups = { up: ["running", "idle", "starting", "pending"], trouble: ["failed", "unhealthy", "restarting", "disconnected"], off: ["stopped", "expired"] };
const filters = [["", "All states"], ["up", "Up"], ["trouble", "In trouble"], ["off", "Off"]];
const nameHere = (one) => nameOf(one, services.value);

const columns = [
    { name: "Name", cell: (one) => html`<a class="name" href=${`/app/instances/${one.id}`}><${ServiceIcon} service=${services.value?.get(one.service)} name=${one.service} />
        <span>${nameHere(one)}<span class="soft small">${one.service} ${one.number}</span></span></a>` },
    { name: "State", cell: (one) => html`<span class="state-cell"><${StateBadge} state=${one.status} />${one.progress && html`<span class="soft small">${one.progress}</span>`}</span>` },
    { name: "Up since", class: "wide-only", cell: (one) => (groups.up.includes(one.status) ? html`<${Time} at=${one.started_at} />` : html`<span class="soft">—</span>`) },
    { name: "Memory", class: "tabular wide-only", cell: (one) => (one.usage ? bytes(one.usage.memory_bytes) : html`<span class="soft">—</span>`) },
    { name: "Expires", cell: (one) => (one.expires_at ? html`<${Time} at=${one.expires_at} />` : html`<span class="soft">Never</span>`) },
    { name: "Actions", hidden: true, class: "end", cell: (one) => html`<div class="row"><${MainAction} view=${one} name=${nameHere(one)} small /><${MoreActions} view=${one} name=${nameHere(one)} /></div>` },
];

function passes(one, text, show) {
    const words = `${nameHere(one)} ${one.service} ${one.slug} ${one.id} ${stateWords(one.status).name}`.toLowerCase();
    return (!show || groups[show]?.includes(one.status)) && text.toLowerCase().split(/\s+/).every((word) => words.includes(word));
}

function summary(all) {
    const of = (group) => all.filter((one) => groups[group].includes(one.status)).length;
    const trouble = of("trouble");
    return [count(all.length, "instance"), `${of("up")} up`, trouble && `${trouble} in trouble`].filter(Boolean).join(" · ");
}

// What each uses is not in the stream: fetched now and then, where that costs little.
function useFresh(total) {
    useEffect(() => {
        if (!total || total > 200) return undefined;
        const timer = setInterval(() => document.hidden || fetchAll(), 30_000);
        return () => clearInterval(timer);
    }, [total > 0 && total <= 200]);
}

export default function Instances({ query }) {
    const all = instances.value;
    useFresh(all?.length);
    const add = html`<a class="button" href="/app/catalog"><${Icon} name="plus" /> New instance</a>`;
    if (!all) {
        return html`<${Title} text="Instances" actions=${add} />${failure.value
            ? html`<${Failure} problem=${failure.value} retry=${fetchAll} what="Your instances" />` : html`<${Loading} rows=${5} />`}`;
    }
    return html`<${Title} text="Instances" actions=${all.length > 0 && add} lead=${all.length > 0 && summary(all)} />
        ${all.length ? html`<${Own} all=${all} query=${query} />`
            : html`<${Empty} icon="instances" title="No instances yet" action=${add}>Pick a service from the catalog; a minute later a client can use it.</${Empty}>`}
        <${Shared} />`;
}

function Own({ all, query }) {
    const text = query.get("search") ?? "";
    const show = query.get("show") ?? "";
    const search = (values) => {
        const next = new URLSearchParams(Object.entries({ search: text, show, ...values }).filter(([, value]) => value));
        go(`/app/${next.size ? `?${next}` : ""}`, { replace: true, quiet: true });
    };
    const rows = all.filter((one) => passes(one, text, show));
    const clear = html`<button class="quiet" onClick=${() => search({ search: "", show: "" })}>Show all</button>`;
    return html`<div class="toolbar"><div class="search"><${Icon} name="search" /><input type="search" aria-label="Search your instances" placeholder="Search" value=${text} onInput=${(event) => search({ search: event.target.value })} /></div>
            <select aria-label="State" value=${show} onChange=${(event) => search({ show: event.target.value })}>${filters.map(([key, words]) => html`<option key=${key} value=${key} selected=${key === show}>${words}</option>`)}</select></div>
        ${rows.length ? html`<${Table} caption="Your instances" columns=${columns} rows=${rows} id=${(one) => one.id} height=${57} />`
            : html`<${Empty} icon="search" title="Nothing fits" action=${clear}>None of your instances fits what you look for.</${Empty}>`}`;
}

function Shared() {
    const shares = useResource((abort) => get("/shares", { abort }));
    if (!shares.data?.items.length) return null;
    return html`<section class="stack shared-with"><h2>Shared with you</h2><ul class="stack tight">${shares.data.items.map((share) => html`<li key=${share.id} class="card"><div class="body stack tight">
        <div class="row spread"><span><strong>${services.value?.get(share.service)?.display_name ?? share.service}</strong> <span class="soft">of ${share.owner}</span></span>${share.status && html`<${StateBadge} state=${share.status} />`}</div>
        <p class="soft small">${share.read_only ? "You may look, not call" : share.tools ? count(share.tools.length, "tool") : "All tools"}${share.expires_at && html`, ends <${Time} at=${share.expires_at} />`}</p>
        <${CopyLine} text=${share.url} label="Address" /></div></li>`)}</ul></section>`;
}
