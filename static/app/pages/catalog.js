// The catalog: what there is to be had, what each needs and costs.
import { html, useState } from "../lib.js";
import { me } from "../api.js";
import { catalogFailure, fetchCatalog, needCatalog, services } from "../catalog.js";
import { instances } from "../instances.js";
import { Title } from "../outlet.js";
import { go } from "../router.js";
import { credentialWords, memoryWords, needsCredential, networkWords, originWords } from "../needs.js";
import { AddService } from "./add-service.js";
import { count } from "../parts/format.js";
import { Icon, ServiceIcon } from "../parts/icon.js";
import { Empty, Failure, Loading } from "../parts/states.js";

const filters = [["", "All services"], ["free", "No credential needed"], ["keyed", "With a credential"], ["mine", "I have instances of it"]];

function passes(service, { text, filter, mine }) {
    const words = `${service.name} ${service.display_name} ${service.description}`.toLowerCase();
    if (!text.toLowerCase().split(/\s+/).every((word) => words.includes(word))) return false;
    if (filter === "free") return !needsCredential(service);
    if (filter === "keyed") return needsCredential(service);
    return filter !== "mine" || mine.has(service.name);
}

function ServiceCard({ service, have }) {
    return html`<li class="service-card"><a href=${`/app/catalog/${service.name}/new`}>
        <${ServiceIcon} service=${service} size="large" />
        <span class="service-text"><strong>${service.display_name}</strong><span class="soft">${service.description}</span></span>
        <span class="service-facts soft small"><span><${Icon} name=${needsCredential(service) ? "key" : "check"} size=${14} /> ${credentialWords(service)}</span>
            <span>${memoryWords(service)}</span><span>${networkWords(service)}</span></span>
        <span class="service-foot soft small"><span>${originWords(service)}</span>${have > 0 && html`<span>You have ${have}</span>`}</span></a></li>`;
}

export default function Catalog({ query }) {
    needCatalog();
    const [adding, setAdding] = useState(query.get("add") !== null);
    const text = query.get("search") ?? "";
    const filter = query.get("show") ?? "";
    const search = (values) => {
        const next = new URLSearchParams(Object.entries({ search: text, show: filter, ...values }).filter(([, value]) => value));
        go(`/app/catalog${next.size ? `?${next}` : ""}`, { replace: true, quiet: true });
    };
    const mayAdd = me.value?.may_add_services;
    const add = mayAdd && html`<button class="quiet" onClick=${() => setAdding(true)}><${Icon} name="plus" /> Add a service</button>`;
    const have = new Map();
    for (const { service } of instances.value ?? []) have.set(service, (have.get(service) ?? 0) + 1);
    return html`<${Title} text="Catalog" lead="Pick a service: you get an instance of your own, at an address of its own." actions=${add} />
        <div class="toolbar"><div class="search"><${Icon} name="search" /><input type="search" aria-label="Search the catalog" placeholder="Search" value=${text} onInput=${(event) => search({ search: event.target.value })} /></div>
            <select aria-label="Show" value=${filter} onChange=${(event) => search({ show: event.target.value })}>${filters.map(([key, words]) => html`<option key=${key} value=${key} selected=${key === filter}>${words}</option>`)}</select></div>
        <${List} text=${text} filter=${filter} have=${have} clear=${() => go("/app/catalog", { replace: true, quiet: true })} add=${add} />
        ${adding && html`<${AddService} onClose=${() => setAdding(false)} />`}`;
}

function List({ text, filter, have, clear, add }) {
    if (!services.value) {
        return catalogFailure.value ? html`<${Failure} problem=${catalogFailure.value} retry=${fetchCatalog} what="The catalog" />` : html`<${Loading} rows=${4} />`;
    }
    const all = [...services.value.values()];
    const found = all.filter((service) => passes(service, { text, filter, mine: have }));
    if (!all.length) return html`<${Empty} icon="catalog" title="The catalog is empty" action=${add}>${add ? "Add the first service." : "An administrator can add services, or allow some to you."}</${Empty}>`;
    if (!found.length) return html`<${Empty} icon="search" title="Nothing fits" action=${html`<button class="quiet" onClick=${clear}>Show all</button>`}>No service fits what you look for.</${Empty}>`;
    return html`<p class="hidden" role="status">${count(found.length, "service")}</p>
        <ul class="service-grid">${found.map((service) => html`<${ServiceCard} key=${service.name} service=${service} have=${have.get(service.name) ?? 0} />`)}</ul>`;
}
