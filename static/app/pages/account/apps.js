// Connected apps: which client may use which instance; and the OAuth clients that one has made oneself.
import { html, useState } from "../../lib.js";
import { del, get } from "../../api.js";
import { services } from "../../catalog.js";
import { instances, nameOf } from "../../instances.js";
import { useResource } from "../../resource.js";
import { Badge } from "../../parts/badge.js";
import { Check } from "../../parts/fields.js";
import { count } from "../../parts/format.js";
import { ask } from "../../parts/section.js";
import { Empty, Loaded } from "../../parts/states.js";
import { Table } from "../../parts/table.js";
import { Time, now } from "../../parts/time.js";
import { Clients } from "./clients.js";

const isOver = (grant) => Boolean(grant.revoked_at || new Date(grant.expires_at) <= now.value);

function Where({ grant }) {
    const view = instances.value?.find((one) => one.id === grant.instance);
    return view ? html`<a href=${`/app/instances/${view.id}/access`}>${nameOf(view, services.value)}</a>` : html`<code title=${grant.resource}>${grant.instance.slice(0, 8)}…</code>`;
}

async function disconnect(grant, reload) {
    const text = html`<p>Its next request is refused, and what it has open ends. It can ask you again.</p>`;
    if (await ask({ title: `Disconnect ${grant.client_name}?`, text, act: "Disconnect", run: () => del(`/grants/${grant.id}`), done: `${grant.client_name} is disconnected` })) reload();
}

const columns = (reload) => [
    { name: "App", cell: (grant) => html`<strong>${grant.client_name}</strong>` },
    { name: "May use", cell: (grant) => html`<span class="state-cell"><${Where} grant=${grant} /><span class="soft small" title=${grant.tools?.join(", ")}>${grant.tools ? count(grant.tools.length, "tool") : grant.scopes.join(", ")}</span></span>` },
    { name: "Allowed", cell: (grant) => html`<${Time} at=${grant.created_at} />` },
    { name: "Last used", cell: (grant) => (grant.last_used_at ? html`<${Time} at=${grant.last_used_at} />` : html`<span class="soft">Never</span>`) },
    { name: "Ends", cell: (grant) => (grant.revoked_at ? html`<${Badge} tone="off" shape="cross" title=${grant.reason}>Ended</${Badge}>` : html`<${Time} at=${grant.expires_at} />`) },
    { name: "Actions", hidden: true, class: "end", cell: (grant) => !isOver(grant) && html`<button class="danger quiet" onClick=${() => disconnect(grant, reload)}>Disconnect<span class="hidden"> ${grant.client_name}</span></button>` },
];

export default function Apps() {
    const grants = useResource(async (abort) => (await get("/grants", { abort })).items);
    const [all, setAll] = useState(false);
    return html`<div class="stack"><${Loaded} of=${grants} what="Your connected apps">${(items) => {
        const past = items.filter(isOver).length;
        const shown = all ? items : items.filter((grant) => !isOver(grant));
        return html`<div>${items.length > 0 && html`<div class="toolbar"><p class="soft grow">Clients that signed in with your account, each for one instance.</p>${past > 0 && html`<${Check} label=${`Show ${past} that ended`} checked=${all} onCheck=${setAll} />`}</div>`}
            ${shown.length ? html`<${Table} caption="Connected apps" columns=${columns(grants.reload)} rows=${shown} id=${({ id }) => id} height=${65} />`
                : html`<${Empty} icon="link" title="No app is connected" action=${html`<a class="button quiet" href="/app/">To your instances</a>`}>Add the address of an instance to a client such as Claude or Cursor; it asks you here before it may use it.</${Empty}>`}</div>`;
    }}</${Loaded}><${Clients} /></div>`;
}
