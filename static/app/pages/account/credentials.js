// Credentials: what instances sign in with at the services. Only the last characters of one are ever shown.
import { html, useState } from "../../lib.js";
import { get, post } from "../../api.js";
import { services } from "../../catalog.js";
import { instances } from "../../instances.js";
import { useResource } from "../../resource.js";
import { Badge } from "../../parts/badge.js";
import { count } from "../../parts/format.js";
import { Icon, ServiceIcon } from "../../parts/icon.js";
import { Menu } from "../../parts/menu.js";
import { Empty, Loaded } from "../../parts/states.js";
import { Table } from "../../parts/table.js";
import { Time } from "../../parts/time.js";
import { attempt, toast } from "../../parts/toast.js";
import { AddCredential, Connects, hintOf, nameOfCredential, nameOfService, remove, Rotate } from "./credential-forms.js";

const users = (one) => (instances.value ?? []).filter((instance) => instance.credential_id === one.id);

/** Where its owner signs in at the service again, and comes back here. */
const again = (grant) => `${grant.connect}&next=/app/account/credentials`;

const verdicts = { valid: ["good", "dot", "Taken"], refused: ["bad", "cross", "Refused"], unknown: ["warn", "triangle", "Could not be tried"] };

function Standing({ one }) {
    const { grant } = one;
    if (grant?.standing === "lapsed") return html`<span class="state-cell"><${Badge} tone="bad" shape="cross" title=${grant.lapsed_why}>Lapsed</${Badge}><a class="small" href=${again(grant)}>Connect again</a></span>`;
    const [tone, shape, words] = verdicts[one.last_result] ?? ["off", "ring", "Not tried"];
    const about = grant ? (grant.standing === "kept" ? "Refreshed by itself" : html`Good until <${Time} at=${grant.expires_at} />`) : one.last_tested_at && html`<${Time} at=${one.last_tested_at} />`;
    return html`<span class="state-cell"><${Badge} tone=${tone} shape=${shape} title=${one.last_detail}>${words}</${Badge}>${about && html`<span class="soft small">${about}</span>`}</span>`;
}

async function test(one, reload) {
    const tried = await attempt(() => post(`/credentials/${one.id}/test`));
    if (!tried) return;
    const isGood = tried.last_result === "valid";
    toast(isGood ? `${nameOfService(one.service)} takes it` : `${nameOfService(one.service)}: ${tried.last_detail || "it could not be tried"}`, { tone: isGood ? "good" : "bad" });
    reload();
}

const rollBack = (one, reload) => attempt(() => post(`/credentials/${one.id}/rollback`), "The value before is in force again").then(reload);

function Actions({ one, rotate, reload }) {
    const service = services.value?.get(one.service);
    const name = nameOfCredential(one);
    return html`<${Menu} name=${`More for ${name}`} label=${html`<${Icon} name="more" size=${18} />`} class="right">
        ${service?.credential?.check && html`<button class="plain" onClick=${() => test(one, reload)}><${Icon} name="check" /> Test it</button>`}
        ${one.grant && html`<a href=${again(one.grant)}><${Icon} name="link" /> Sign in again</a>`}
        <button class="plain" onClick=${rotate}><${Icon} name="retry" /> Replace its value…</button>
        ${one.previous && html`<button class="plain" onClick=${() => rollBack(one, reload)}><${Icon} name="left" /> Bring back ${one.previous.hint ? `…${one.previous.hint}` : "the one before"}</button>`}
        <hr /><button class="plain danger" onClick=${() => remove(one, users(one), reload)}><${Icon} name="trash" /> Delete…</button></${Menu}>`;
}

const columns = (rotate, reload) => [
    { name: "Credential", cell: (one) => html`<span class="named"><${ServiceIcon} service=${services.value?.get(one.service)} name=${one.service} /><span><strong>${nameOfService(one.service)}</strong><span class="soft small">${one.label || services.value?.get(one.service)?.credential?.label || "No name"}</span></span></span>` },
    { name: "Value", cell: (one) => html`<span class="state-cell"><code>${hintOf(one.hint)}</code>${one.previous && html`<span class="soft small">${one.previous.hint ? `…${one.previous.hint}` : "The one before"} is kept until <${Time} at=${one.previous.until} form="date" /></span>`}</span>` },
    { name: "Last test", cell: (one) => html`<${Standing} one=${one} />` },
    { name: "Used by", cell: (one) => (users(one).length ? html`<span>${count(users(one).length, "instance")}</span>` : html`<span class="soft">Nothing</span>`) },
    { name: "Age", cell: (one) => html`<${Time} at=${one.rotated_at ?? one.created_at} />` },
    { name: "Actions", hidden: true, class: "end corner", cell: (one) => html`<div class="row"><${Actions} one=${one} rotate=${() => rotate(one)} reload=${reload} /></div>` },
];

export default function Credentials() {
    const stored = useResource(async (abort) => (await get("/credentials", { abort })).items);
    const [adding, setAdding] = useState(false);
    const [rotating, setRotating] = useState(null);
    const add = html`<button onClick=${() => setAdding(true)}><${Icon} name="plus" /> Add a credential</button>`;
    return html`<div class="stack"><${Loaded} of=${stored} what="Your credentials">${(all) => (all.length ? html`<div>
            <div class="toolbar"><p class="soft grow">Stored sealed; nobody is ever shown more than the last characters.</p>${add}</div>
            <${Table} caption="Your credentials" columns=${columns(setRotating, stored.reload)} rows=${all} id=${({ id }) => id} height=${65} /></div>`
            : html`<${Empty} icon="key" title="No credentials yet" action=${add}>A credential lets your instances use your account at a service. You can also add one while you create an instance.</${Empty}>`)}</${Loaded}>
        <${Connects} />
        ${adding && html`<${AddCredential} onClose=${() => setAdding(false)} onMade=${stored.reload} />`}
        ${rotating && html`<${Rotate} one=${rotating} users=${users(rotating)} onClose=${() => setRotating(null)} onDone=${stored.reload} />`}</div>`;
}
