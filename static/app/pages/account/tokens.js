// API tokens: what programs use Berth with. The text of one is shown once, when it is made.
import { html, useState } from "../../lib.js";
import { del, get, patch, post } from "../../api.js";
import { services } from "../../catalog.js";
import { instances, nameOf } from "../../instances.js";
import { useResource } from "../../resource.js";
import { Badge } from "../../parts/badge.js";
import { Check, Choice, Select, Text } from "../../parts/fields.js";
import { FormDialog, Once } from "../../parts/form-dialog.js";
import { count } from "../../parts/format.js";
import { Icon } from "../../parts/icon.js";
import { Menu } from "../../parts/menu.js";
import { ask } from "../../parts/section.js";
import { Empty, Loaded } from "../../parts/states.js";
import { Table } from "../../parts/table.js";
import { Time, now } from "../../parts/time.js";
import { toast } from "../../parts/toast.js";

const nameOfToken = (token) => token.name || `…${token.hint}`;
const isOver = (token) => Boolean(token.revoked_at || (token.expires_at && new Date(token.expires_at) <= now.value));
const nameHere = (id) => {
    const view = instances.value?.find((one) => one.id === id);
    return view ? nameOf(view, services.value) : `${id.slice(0, 8)}…`;
};

function Reach({ token }) {
    const where = token.instances ? (token.instances.length === 1 ? nameHere(token.instances[0]) : count(token.instances.length, "instance")) : "Whole account";
    const what = token.read_only ? "may only look" : token.tools ? count(token.tools.length, "tool") : "all tools";
    return html`<span class="state-cell"><span title=${token.instances?.map(nameHere).join(", ")}>${where}</span><span class="soft small" title=${token.tools?.join(", ")}>${what}</span></span>`;
}

function Ends({ token }) {
    if (token.revoked_at) return html`<${Badge} tone="off" shape="cross">Revoked</${Badge}>`;
    if (isOver(token)) return html`<${Badge} tone="off" shape="ring">Expired</${Badge}>`;
    return token.expires_at ? html`<${Time} at=${token.expires_at} />` : html`<span class="soft">Never</span>`;
}

function Used({ token }) {
    const refusal = token.last_refusal;
    return html`<span class="state-cell">${token.last_used_at ? html`<${Time} at=${token.last_used_at} />` : html`<span class="soft">Never</span>`}${refusal && html`<span class="small warn-text" title=${refusal.reason}>Refused <${Time} at=${refusal.at} /></span>`}</span>`;
}

async function revoke(token, reload) {
    const text = html`<p>What is under way with it ends, and it is refused from now on. This cannot be undone.</p>`;
    if (await ask({ title: `Revoke ${nameOfToken(token)}?`, text, act: "Revoke", run: () => del(`/tokens/${token.id}`), done: "The token is revoked" })) reload();
}

const columns = (rename, reload) => [
    { name: "Token", cell: (token) => html`<span class="state-cell"><strong>${token.name || "No name"}</strong><code class="soft">…${token.hint}</code></span>` },
    { name: "Reaches", cell: (token) => html`<${Reach} token=${token} />` },
    { name: "Last used", cell: (token) => html`<${Used} token=${token} />` },
    { name: "Made", cell: (token) => html`<${Time} at=${token.created_at} />` },
    { name: "Expires", cell: (token) => html`<${Ends} token=${token} />` },
    { name: "Actions", hidden: true, class: "end", cell: (token) => !isOver(token) && html`<div class="row"><button class="danger quiet" onClick=${() => revoke(token, reload)}>Revoke<span class="hidden"> ${nameOfToken(token)}</span></button>
        <${Menu} name=${`More for ${nameOfToken(token)}`} label=${html`<${Icon} name="more" size=${18} />`} class="right"><button class="plain" onClick=${() => rename(token)}>Rename…</button></${Menu}></div>` },
];

export default function Tokens() {
    const tokens = useResource(async (abort) => (await get("/tokens", { abort })).items);
    const [making, setMaking] = useState(false);
    const [made, setMade] = useState(null);
    const [renaming, setRenaming] = useState(null);
    const [all, setAll] = useState(false);
    const add = html`<button onClick=${() => setMaking(true)}><${Icon} name="plus" /> New token</button>`;
    return html`<${Loaded} of=${tokens} what="Your tokens">${(items) => {
        const past = items.filter(isOver).length;
        const shown = all ? items : items.filter((token) => !isOver(token));
        return html`${items.length > 0 && html`<div class="toolbar"><p class="soft grow">For programs, and for clients that do not sign in by themselves.</p>
                ${past > 0 && html`<${Check} label=${`Show ${past} that are over`} checked=${all} onCheck=${setAll} />`}${add}</div>`}
            ${shown.length ? html`<${Table} caption="Your tokens" columns=${columns(setRenaming, tokens.reload)} rows=${shown} id=${({ id }) => id} height=${65} />`
                : html`<${Empty} icon="key" title=${past ? "No token is good now" : "No tokens yet"} action=${add}>A token lets a program use your instances without signing in. Give each program its own.</${Empty}>`}`;
    }}</${Loaded}>
        ${making && html`<${NewToken} onClose=${() => setMaking(false)} onMade=${(token) => { setMade(token); tokens.reload(); }} />`}
        ${made && html`<${Once} title="Your new token" label="Token" secret=${made} onClose=${() => setMade(null)} />`}
        ${renaming && html`<${Rename} token=${renaming} onClose=${() => setRenaming(null)} onDone=${tokens.reload} />`}`;
}

const lifetimes = [["1", "In a day"], ["7", "In a week"], ["30", "In 30 days"], ["90", "In 90 days"], ["365", "In a year"], ["", "Never"]];
const reaches = [{ value: "some", name: "Some instances", help: "Nothing else of your account" }, { value: "all", name: "The whole account", help: "All instances, those to come too, and this API" }];

function NewToken({ onClose, onMade }) {
    const own = instances.value ?? [];
    const [name, setName] = useState("");
    const [days, setDays] = useState("90");
    const [reach, setReach] = useState(own.length ? "some" : "all");
    const [chosen, setChosen] = useState(() => new Set(own.length === 1 ? [own[0].id] : []));
    const [readOnly, setReadOnly] = useState(false);
    const isSome = reach === "some";
    const send = async () => {
        const body = { name: name.trim(), read_only: readOnly };
        if (isSome) body.instances = [...chosen];
        if (days) body.expires_in_days = Number(days);
        onMade((await post("/tokens", body)).token);
    };
    const pick = (id, isIn) => setChosen((old) => new Set(isIn ? [...old, id] : [...old].filter((one) => one !== id)));
    return html`<${FormDialog} title="A new token" act="Make it" disabled=${isSome && !chosen.size} send=${send} onClose=${onClose}>
        <${Text} label="Name" value=${name} onText=${setName} required maxlength="100" placeholder="What uses it" />
        <${Select} label="Expires" value=${days} options=${lifetimes} onText=${setDays} />
        ${own.length > 0 && html`<${Choice} label="Reaches" value=${reach} options=${reaches} onText=${setReach} />`}
        ${own.length > 0 && isSome && html`<fieldset class="pick-list"><legend class="hidden">Instances</legend>${own.map((view) => html`<${Check} key=${view.id} label=${nameOf(view, services.value)} checked=${chosen.has(view.id)} onCheck=${(isIn) => pick(view.id, isIn)} />`)}</fieldset>`}
        <${Check} label="May only look" help="It sees tools and states, and calls nothing" checked=${readOnly} onCheck=${setReadOnly} /></${FormDialog}>`;
}

function Rename({ token, onClose, onDone }) {
    const [name, setName] = useState(token.name);
    const send = async () => {
        await patch(`/tokens/${token.id}`, { name: name.trim() });
        toast("It has another name");
        onDone();
    };
    return html`<${FormDialog} title=${`Rename ${nameOfToken(token)}`} act="Rename" send=${send} onClose=${onClose}><${Text} label="Name" value=${name} onText=${setName} required maxlength="100" /></${FormDialog}>`;
}
