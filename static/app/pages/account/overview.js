// Overview: who one is here, and what one uses of what one may.
import { html } from "../../lib.js";
import { get, me } from "../../api.js";
import { services } from "../../catalog.js";
import { instances } from "../../instances.js";
import { useResource } from "../../resource.js";
import { bytes, count, number } from "../../parts/format.js";
import { ServiceIcon } from "../../parts/icon.js";
import { Meters, Rates } from "../../parts/quota.js";
import { Card } from "../../parts/section.js";
import { Loaded, Loading } from "../../parts/states.js";
import { Table } from "../../parts/table.js";
import { Time } from "../../parts/time.js";

export default function Overview() {
    const usage = useResource((abort) => get("/me/usage", { abort }), [], { every: 10_000 });
    return html`<div class="stack"><div class="two"><${Card} title="Usage" lead="Of what an administrator lets you use"><${Loaded} of=${usage} what="What you use" rows=${4}>${(usage) => html`<${Meters} usage=${usage} />`}</${Loaded}></${Card}>
            <div class="stack"><${Who} /><${Card} title="Rates and services"><${Loaded} of=${usage} rows=${2}>${(usage) => html`<${Rates} usage=${usage} />`}</${Loaded}></${Card}></div></div>
        <${ByService} /></div>`;
}

function Who() {
    const account = me.value;
    if (!account) return html`<${Card} title="You"><${Loading} rows=${2} /></${Card}>`;
    const ways = [account.has_password && "password", ...(account.providers ?? [])].filter(Boolean);
    return html`<${Card} title="You" action=${html`<a class="button quiet" href="/app/account/security" data-quiet>Security</a>`}><dl class="facts"><dt>E-mail</dt><dd>${account.email}</dd>
        <dt>Role</dt><dd>${account.role === "admin" ? "Administrator" : "User"}</dd><dt>Here since</dt><dd><${Time} at=${account.created_at} form="date" /></dd>
        <dt>Signs in with</dt><dd>${ways.join(", ") || "a link by mail"}${account.totp ? ", and a code" : ""}</dd></dl></${Card}>`;
}

const isUp = (one) => ["running", "idle", "unhealthy"].includes(one.status);

function sums(all) {
    const by = new Map();
    for (const one of all) {
        const sum = by.get(one.service) ?? { service: one.service, instances: 0, up: 0, memory: 0 };
        sum.instances += 1;
        sum.up += isUp(one) ? 1 : 0;
        sum.memory += one.usage?.memory_bytes ?? 0;
        by.set(one.service, sum);
    }
    return [...by.values()].sort((a, b) => b.memory - a.memory || b.instances - a.instances);
}

const columns = [
    { name: "Service", cell: ({ service }) => html`<a class="name" href=${`/app/?search=${encodeURIComponent(service)}`}><${ServiceIcon} service=${services.value?.get(service)} name=${service} /><span>${services.value?.get(service)?.display_name ?? service}</span></a>` },
    { name: "Instances", class: "tabular", cell: (sum) => number(sum.instances) },
    { name: "Up", class: "tabular", cell: (sum) => number(sum.up) },
    { name: "Memory now", class: "tabular", cell: (sum) => (sum.memory ? bytes(sum.memory) : html`<span class="soft">—</span>`) },
];

function ByService() {
    const all = instances.value;
    if (!all?.length) return null;
    return html`<section class="stack tight"><h2>By service <span class="soft small">${count(all.length, "instance")}</span></h2><${Table} caption="Your instances by service" columns=${columns} rows=${sums(all)} id=${({ service }) => service} /></section>`;
}
