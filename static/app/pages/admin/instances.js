// Everybody's instances, live: found by name, state, user and service, and acted on.
import { html, useEffect, useMemo } from "../../lib.js";
import { get } from "../../api.js";
import { services } from "../../catalog.js";
import { nameOf } from "../../instances.js";
import { live } from "../../live.js";
import { useResource } from "../../resource.js";
import { go } from "../../router.js";
import { StateBadge, stateWords } from "../../parts/badge.js";
import { bytes, count } from "../../parts/format.js";
import { Icon, ServiceIcon } from "../../parts/icon.js";
import { Empty, Loaded } from "../../parts/states.js";
import { Table } from "../../parts/table.js";
import { Time } from "../../parts/time.js";
import { Actions } from "./instance-actions.js";
import { byId, Person, useUsers } from "./people.js";

const nameHere = (one) => nameOf(one, services.value);
const members = ["search", "state", "user", "service"];

/** All of them, and what a stream says of their changes. */
function useAll() {
    const all = useResource(async (abort) => new Map((await get("/mcps?all=true", { abort })).items.map((one) => [one.id, one])));
    const change = (next) => all.set((old) => old && next(new Map(old)));
    const keep = (view) => change((old) => old.set(view.id, view));
    const forget = (id) => change((old) => (old.delete(id), old));
    useEffect(() => live("/mcps/stream?all=true", { instance: keep, gone: ({ id }) => forget(id) }, { opened: all.reload }), []);
    return { ...all, keep, forget };
}

function passes(one, wanted, people) {
    const text = `${nameHere(one)} ${one.service} ${one.slug} ${one.id} ${people.get(one.owner)?.email ?? ""} ${stateWords(one.status).name}`.toLowerCase();
    const fits = (name, value) => !wanted[name] || wanted[name] === value;
    return fits("state", one.status) && fits("user", one.owner) && fits("service", one.service) && wanted.search.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

const columns = (people, all) => [
    { name: "Name", cell: (one) => html`<a class="name" href=${`/app/instances/${one.id}`}><${ServiceIcon} service=${services.value?.get(one.service)} name=${one.service} /><span>${nameHere(one)}<span class="soft small">${one.service} ${one.number}</span></span></a>` },
    { name: "Owner", cell: (one) => html`<${Person} id=${one.owner} people=${people} />` },
    { name: "State", cell: (one) => html`<${StateBadge} state=${one.status} />` },
    { name: "Memory", class: "tabular", cell: (one) => (one.usage ? bytes(one.usage.memory_bytes) : html`<span class="soft">—</span>`) },
    { name: "Restarts", class: "tabular", cell: (one) => one.restarts || html`<span class="soft">0</span>` },
    { name: "Made", cell: (one) => html`<${Time} at=${one.created_at} />` },
    { name: "Actions", hidden: true, class: "end corner", cell: (one) => html`<div class="row"><${Actions} view=${one} name=${nameHere(one)} keep=${all.keep} forget=${all.forget} /></div>` },
];

export default function Instances({ query }) {
    const all = useAll();
    const users = useUsers();
    const people = useMemo(() => byId(users), [users.data]);
    const wanted = Object.fromEntries(members.map((name) => [name, query.get(name) ?? ""]));
    const search = (values) => {
        const next = new URLSearchParams(Object.entries({ ...wanted, ...values }).filter(([, value]) => value));
        go(`/app/admin/instances${next.size ? `?${next}` : ""}`, { replace: true, quiet: true });
    };
    return html`<${Loaded} of=${all} what="All instances" rows=${6}>${(known) => {
        const items = [...known.values()].sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
        if (!items.length) return html`<${Empty} icon="instances" title="No instances yet">Nobody has made one.</${Empty}>`;
        const rows = items.filter((one) => passes(one, wanted, people));
        const clear = html`<button class="quiet" onClick=${() => search({ search: "", state: "", user: "", service: "" })}>Show all</button>`;
        return html`<${Filters} items=${items} people=${people} wanted=${wanted} search=${search} shown=${rows.length} />
            ${rows.length ? html`<${Table} caption="All instances" columns=${columns(people, all)} rows=${rows} id=${({ id }) => id} height=${57} />`
                : html`<${Empty} icon="search" title="Nothing fits" action=${clear}>No instance fits what you look for.</${Empty}>`}`;
    }}</${Loaded}>`;
}

function Filters({ items, people, wanted, search, shown }) {
    const some = (name, words) => [...new Set(items.map((one) => one[name]))].map((value) => [value, words(value)]).sort((a, b) => a[1].localeCompare(b[1]));
    const pick = (name, all, options) => html`<select aria-label=${all} value=${wanted[name]} onChange=${(event) => search({ [name]: event.target.value })}>
        <option value="">${all}</option>${options.map(([value, words]) => html`<option key=${value} value=${value} selected=${value === wanted[name]}>${words}</option>`)}</select>`;
    return html`<div class="toolbar filters"><div class="search"><${Icon} name="search" /><input type="search" aria-label="Search all instances" placeholder="Search" value=${wanted.search} onInput=${(event) => search({ search: event.target.value })} /></div>
        ${pick("state", "All states", some("status", (state) => stateWords(state).name))}${pick("user", "All users", some("owner", (id) => people.get(id)?.email ?? id))}${pick("service", "All services", some("service", (name) => services.value?.get(name)?.display_name ?? name))}
        <span class="soft tabular" aria-live="polite">${shown === items.length ? count(shown, "instance") : `${shown} of ${count(items.length, "instance")}`}</span></div>`;
}
