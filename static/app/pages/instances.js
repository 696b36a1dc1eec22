// The home page: all instances of the account, live.
import { html } from "../lib.js";
import { Title } from "../outlet.js";
import { failure, fetchAll, instances, nameOf } from "../instances.js";
import { services } from "../catalog.js";
import { StateBadge } from "../parts/badge.js";
import { Icon, ServiceIcon } from "../parts/icon.js";
import { Empty, Failure, Loading } from "../parts/states.js";
import { Table } from "../parts/table.js";
import { Time } from "../parts/time.js";

const columns = [
    { name: "Name", cell: (one) => html`<a class="name" href=${`/app/instances/${one.id}`}><${ServiceIcon} service=${services.value?.get(one.service)} name=${one.service} />
        <span>${nameOf(one, services.value)}<span class="soft small">${one.service} ${one.number}</span></span></a>` },
    { name: "State", cell: (one) => html`<${StateBadge} state=${one.status} />` },
    { name: "Since", cell: (one) => html`<${Time} at=${one.started_at ?? one.created_at} />` },
];

export default function Instances() {
    const all = instances.value;
    const add = html`<a class="button" href="/app/catalog"><${Icon} name="plus" /> New instance</a>`;
    if (!all) {
        return html`<${Title} text="Instances" actions=${add} />${failure.value
            ? html`<${Failure} problem=${failure.value} retry=${fetchAll} what="Your instances" />` : html`<${Loading} rows=${5} />`}`;
    }
    return html`<${Title} text="Instances" actions=${add} />
        ${all.length ? html`<${Table} caption="Your instances" columns=${columns} rows=${all} id=${(one) => one.id} />`
            : html`<${Empty} icon="instances" title="No instances yet" action=${add}>Pick a service from the catalog; a minute later a client can use it.</${Empty}>`}`;
}
