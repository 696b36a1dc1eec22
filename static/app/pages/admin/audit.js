// The audit log: what was done, by whom; found by filters, checked, taken away as a file.
import { html, useMemo, useState } from "../../lib.js";
import { get, query as path } from "../../api.js";
import { usePages } from "../../resource.js";
import { go } from "../../router.js";
import { Act } from "../../parts/button.js";
import { CopyLine } from "../../parts/copy.js";
import { Entries } from "../../parts/entries.js";
import { Select, Text } from "../../parts/fields.js";
import { number } from "../../parts/format.js";
import { Icon } from "../../parts/icon.js";
import { More } from "../../parts/more.js";
import { Complaint, Empty, Loaded, Note } from "../../parts/states.js";
import { byId, Person, useUsers } from "./people.js";

const members = ["actor", "action", "target", "from", "to"];
// The API takes moments; people choose days, of their own time zone.
const moment = (day, end) => {
    if (!day) return "";
    const at = new Date(`${day}T00:00:00`);
    if (end) at.setDate(at.getDate() + 1);
    return at.toISOString();
};

export default function Audit({ query }) {
    const users = useUsers();
    const people = useMemo(() => byId(users), [users.data]);
    const wanted = Object.fromEntries(members.map((name) => [name, query.get(name) ?? ""]));
    const asked = { ...wanted, from: moment(wanted.from), to: moment(wanted.to, true) };
    const pages = usePages((before, abort) => get(path("/audit", { ...asked, limit: 100, before }), { abort }), members.map((name) => wanted[name]));
    const isFiltered = members.some((name) => wanted[name]);
    const search = (values) => {
        const next = new URLSearchParams(Object.entries(values).filter(([, value]) => value));
        go(`/app/admin/audit${next.size ? `?${next}` : ""}`, { replace: true, quiet: true });
    };
    return html`<${Filters} key=${query.toString()} wanted=${wanted} users=${users.data ?? []} search=${search} file=${path("/api/v1/audit/export", asked)} />
        <${Verify} /><${Loaded} of=${pages} what="The audit log" rows=${8}>${({ items }) => (items.length
            ? html`<${Entries} caption="Audit log" items=${items} isAdmin who=${(id) => html`<${Person} id=${id} people=${people} />`} /><${More} of=${pages} />`
            : html`<${Empty} icon="search" title="No entry fits" action=${isFiltered && html`<button class="quiet" onClick=${() => search({})}>Show all</button>`}>Nothing was done that fits what you look for.</${Empty}>`)}</${Loaded}>`;
}

function Filters({ wanted, users, search, file }) {
    const [given, setGiven] = useState(wanted);
    const set = (name) => (value) => setGiven((old) => ({ ...old, [name]: value }));
    const submit = (event) => {
        event.preventDefault();
        search(Object.fromEntries(members.map((name) => [name, given[name].trim()])));
    };
    const people = [["", "Anybody"], ...users.map((user) => [user.id, user.email])];
    return html`<form class="audit-filters" onSubmit=${submit}>
        <${Select} label="By" value=${given.actor} options=${people} onText=${set("actor")} />
        <${Text} label="Action" value=${given.action} onText=${set("action")} placeholder="instance.create" />
        <${Text} label="Target" value=${given.target} onText=${set("target")} placeholder="instance:…" />
        <${Text} label="From" type="date" value=${given.from} onText=${set("from")} /><${Text} label="To" type="date" value=${given.to} onText=${set("to")} />
        <div class="row"><button><${Icon} name="search" /> Filter</button>${members.some((name) => wanted[name]) && html`<button type="button" class="text" onClick=${() => search({})}>Clear</button>`}
            <a class="button quiet" href=${file} download="berth-audit.jsonl"><${Icon} name="download" /> Export</a></div></form>`;
}

function Verify() {
    const [found, setFound] = useState(null);
    const [problem, setProblem] = useState(null);
    const check = async () => {
        setProblem(null);
        await get("/audit/verify").then(setFound, setProblem);
    };
    return html`<div class="verify"><div class="row"><${Act} class="quiet" act=${check}><${Icon} name="check" /> Verify the chain</${Act}><span class="soft small">Each entry holds the hash of the one before: whoever changes one breaks it.</span></div>
        <div aria-live="polite"><${Complaint} problem=${problem} />${found && html`<${Note} tone=${found.intact ? "good" : "bad"}>${found.intact
            ? `The chain holds: ${number(found.entries)} entries, ${found.first ? `from number ${found.first} ` : ""}to ${found.newest ?? 0}. Keep the newest hash elsewhere to prove it later.` : `The chain is broken at entry ${found.first_wrong ?? "?"}: it, or one before it, was changed or removed.`}</${Note}>
            ${found.newest_hash && html`<${CopyLine} text=${found.newest_hash} label="Newest hash" />`}`}</div></div>`;
}
