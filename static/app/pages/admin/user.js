// One account: what it has, what it uses, what it may, what it did.
import { html } from "../../lib.js";
import { get, query } from "../../api.js";
import { services } from "../../catalog.js";
import { nameOf } from "../../instances.js";
import { Title } from "../../outlet.js";
import { useResource } from "../../resource.js";
import { go } from "../../router.js";
import { StateBadge } from "../../parts/badge.js";
import { Entries } from "../../parts/entries.js";
import { count } from "../../parts/format.js";
import { Meters, Rates } from "../../parts/quota.js";
import { Card, Line, Section } from "../../parts/section.js";
import { Loaded, Note } from "../../parts/states.js";
import { Time } from "../../parts/time.js";
import { Entitlement } from "./entitlement.js";
import { AccountState } from "./people.js";
import { Actions } from "./user-actions.js";

const back = { href: "/app/admin/users", name: "Users" };

export default function User({ params }) {
    const id = params.item;
    const user = useResource((abort) => get(`/users/${id}`, { abort }), [id]);
    const usage = useResource((abort) => get(`/users/${id}/usage`, { abort }), [id], { every: 10_000 });
    const done = (how) => {
        if (how === "erased") return go("/app/admin/users");
        user.reload();
        return usage.reload();
    };
    if (!user.data) return html`<${Title} back=${back} text="User" /><${Loaded} of=${user} what="This account">${() => null}</${Loaded}>`;
    const of = user.data;
    return html`<${Title} back=${back} text=${of.email} actions=${html`<${AccountState} user=${of} /><${Actions} user=${of} onDone=${done} />`} />
        <div class="stack">${of.erase_at && html`<${Note} tone="bad">This account is removed. Everything it has is erased <${Time} at=${of.erase_at} />; until then it can be restored.</${Note}>`}
        <div class="two"><${Card} title="Usage"><${Loaded} of=${usage} what="What it uses" rows=${4}>${(usage) => html`<${Meters} usage=${usage} />`}</${Loaded}></${Card}>
            <div class="stack"><${Facts} of=${of} /><${Card} title="Rates and services" lead="As they hold now: its own, its groups’, or what everybody has"><${Loaded} of=${usage} rows=${2}>${(usage) => html`<${Rates} usage=${usage} />`}</${Loaded}></${Card}></div></div>
        <${Entitlement} title="What this account may" lead="An empty figure is left to its groups, then to what everybody has" path=${`/users/${id}`} of=${of} onDone=${done} />
        <${Theirs} of=${of} /><${Did} id=${id} email=${of.email} /></div>`;
}

function Facts({ of }) {
    return html`<${Card} title="Account"><dl class="facts"><dt>Role</dt><dd>${of.role === "admin" ? "Administrator" : "User"}</dd><dt>Here since</dt><dd><${Time} at=${of.created_at} form="date" /></dd>
        <dt>Groups</dt><dd>${of.groups?.join(", ") || "None"} <a href="/app/admin/groups">Change</a></dd><dt>Id</dt><dd><code>${of.id}</code></dd></dl></${Card}>`;
}

function Theirs({ of }) {
    const theirs = useResource(async (abort) => (await get(query("/mcps", { user: of.email }), { abort })).items, [of.email]);
    const lead = theirs.data && count(theirs.data.length, "instance");
    return html`<${Section} title="Instances" lead=${lead} of=${theirs} empty="It has none.">${(view) => html`<${Line} key=${view.id} title=${html`<a href=${`/app/instances/${view.id}`}>${nameOf(view, services.value)}</a>`} state=${html`<${StateBadge} state=${view.status} />`} about=${html`${view.service} ${view.number} · made <${Time} at=${view.created_at} />`} />`}</${Section}>`;
}

function Did({ id, email }) {
    const entries = useResource(async (abort) => (await get(query("/audit", { actor: id, limit: 20 }), { abort })).items, [id]);
    return html`<section class="stack tight"><div class="row spread"><h2>What they did last</h2><a href=${query("/app/admin/audit", { actor: id })}>All of it</a></div>
        <${Loaded} of=${entries} what="What they did" rows=${3}>${(items) => (items.length ? html`<${Entries} caption="What they did last" items=${items} isAdmin who=${() => email} />` : html`<p class="soft">Nothing yet.</p>`)}</${Loaded}></section>`;
}
