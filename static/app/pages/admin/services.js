// Services: the catalog as an administrator sees it: who added what, what uses it, with which client people sign in there.
import { html, useMemo, useState } from "../../lib.js";
import { del, get, post, query } from "../../api.js";
import { catalogFailure, fetchCatalog, services } from "../../catalog.js";
import { credentialWords, originWords } from "../../needs.js";
import { useResource } from "../../resource.js";
import { Act } from "../../parts/button.js";
import { number } from "../../parts/format.js";
import { Icon, ServiceIcon } from "../../parts/icon.js";
import { Menu } from "../../parts/menu.js";
import { ask } from "../../parts/section.js";
import { Empty, Failure, Loading, Note } from "../../parts/states.js";
import { Table } from "../../parts/table.js";
import { Time } from "../../parts/time.js";
import { attempt } from "../../parts/toast.js";
import { OutsideClient } from "./outside-client.js";
import { byId, Person, useUsers } from "./people.js";

// The catalog does not say who added a service; the audit log does. Those that it does not name came with Berth, or from
// the services directory.
const useAdded = () => useResource(async (abort) => {
    const { items } = await get(query("/audit", { action: "service.create", limit: 1000 }), { abort });
    const added = new Map();
    for (const entry of items) {
        const name = entry.target.replace(/^service:/, "");
        if (!added.has(name)) added.set(name, entry);
    }
    return added;
});
const useUses = () => useResource(async (abort) => {
    const uses = new Map();
    for (const { service } of (await get("/mcps?all=true", { abort })).items) uses.set(service, (uses.get(service) ?? 0) + 1);
    return uses;
});

async function remove(service, onDone) {
    const text = html`<p>Nobody can make instances of it any more. It can be added again from its manifest.</p>`;
    const run = () => del(`/services/${encodeURIComponent(service.name)}`);
    if (await ask({ title: `Remove ${service.display_name}?`, text, act: "Remove it", run, done: `${service.display_name} is removed` })) onDone();
}

const columns = ({ added, uses, people, setClient, reload }) => [
    { name: "Service", cell: (service) => html`<span class="named"><${ServiceIcon} service=${service} /><span><strong>${service.display_name}</strong><span class="soft small">${service.name}</span></span></span>` },
    { name: "From", cell: (service) => originWords(service) },
    { name: "Added by", cell: (service) => {
        const entry = added.data?.get(service.name);
        return entry ? html`<span class="state-cell"><${Person} id=${entry.actor} people=${people} /><span class="soft small"><${Time} at=${entry.at} /></span></span>` : html`<span class="soft nowrap">${added.data ? "Directory" : "…"}</span>`;
    } },
    { name: "Needs", cell: (service) => credentialWords(service) },
    { name: "Instances", class: "tabular", cell: (service) => (uses.data?.get(service.name) ? html`<a class="tap" href=${`/app/admin/instances?service=${service.name}`}>${number(uses.data.get(service.name))}</a>` : html`<span class="soft">${uses.data ? "0" : "…"}</span>`) },
    { name: "Actions", hidden: true, class: "end corner", cell: (service) => html`<div class="row"><${Menu} name=${`More for ${service.display_name}`} label=${html`<${Icon} name="more" size=${18} />`} class="right">
        <a href=${`/app/catalog/${service.name}/new`}><${Icon} name="plus" /> New instance</a>
        ${service.credential?.oauth && html`<button class="plain" onClick=${() => setClient(service)}><${Icon} name="key" /> OAuth client…</button>`}
        ${added.data?.has(service.name) && html`<hr /><button class="plain danger" onClick=${() => remove(service, reload)}><${Icon} name="trash" /> Remove…</button>`}</${Menu}></div>` },
];

export default function Services() {
    const added = useAdded();
    const uses = useUses();
    const users = useUsers();
    const people = useMemo(() => byId(users), [users.data]);
    const [text, setText] = useState("");
    const [client, setClient] = useState(null);
    const [read, setRead] = useState(null);
    if (!services.value) return catalogFailure.value ? html`<${Failure} problem=${catalogFailure.value} retry=${fetchCatalog} what="The catalog" />` : html`<${Loading} rows=${6} />`;
    const reload = () => {
        fetchCatalog();
        added.reload();
    };
    const readAgain = async () => {
        const answer = await attempt(() => post("/admin/refresh"));
        if (answer) setRead(answer);
        reload();
    };
    const rows = [...services.value.values()].filter((service) => `${service.name} ${service.display_name}`.toLowerCase().includes(text.toLowerCase()));
    return html`<div class="toolbar"><div class="search"><${Icon} name="search" /><input type="search" aria-label="Search services" placeholder="Search" value=${text} onInput=${(event) => setText(event.target.value)} /></div><span class="grow"></span>
            <${Act} class="quiet" act=${readAgain}><${Icon} name="retry" /> Read the directory again</${Act}><a class="button" href="/app/catalog?add"><${Icon} name="plus" /> Add a service</a></div>
        <div aria-live="polite">${read && html`<div class="read-note"><${Note} tone=${read.problems.length ? "warn" : "good"}>${number(read.services)} services.${read.problems.length > 0 && html`<ul class="bullets">${read.problems.map((problem) => html`<li key=${problem}>${problem}</li>`)}</ul>`}</${Note}></div>`}</div>
        ${rows.length ? html`<${Table} caption="Services" columns=${columns({ added, uses, people, setClient, reload })} rows=${rows} id=${({ name }) => name} height=${65} />`
            : html`<${Empty} icon="search" title="Nothing fits">No service has this in its name.</${Empty}>`}
        ${client && html`<${OutsideClient} service=${client} onClose=${() => setClient(null)} />`}`;
}
