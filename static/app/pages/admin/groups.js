// Groups: people who may use the same; each has a page of its own (`Item`).
import { html, useState } from "../../lib.js";
import { get, post } from "../../api.js";
import { useResource } from "../../resource.js";
import { go } from "../../router.js";
import { Text } from "../../parts/fields.js";
import { FormDialog } from "../../parts/form-dialog.js";
import { bytes, count, number, words } from "../../parts/format.js";
import { Icon } from "../../parts/icon.js";
import { Empty, Loaded } from "../../parts/states.js";
import { Table } from "../../parts/table.js";

export { default as Item } from "./group.js";

function gives({ quota, services }) {
    const figures = Object.entries(quota ?? {}).filter(([, value]) => value !== null).map(([name, value]) => (name === "memory_bytes" ? `memory ${bytes(value)}` : `${words(name).toLowerCase()} ${number(value)}`));
    if (services) figures.push(count(services.length, "service"));
    return figures.join(" · ");
}

const columns = [
    { name: "Group", cell: (group) => html`<a class="name" href=${`/app/admin/groups/${group.id}`}><span>${group.name}${group.description && html`<span class="soft small">${group.description}</span>`}</span></a>` },
    { name: "Members", class: "tabular", cell: (group) => number(group.member_count) },
    { name: "Gives", class: "wide", cell: (group) => gives(group) || html`<span class="soft">Nothing beyond what everybody has</span>` },
];

export default function Groups() {
    const groups = useResource(async (abort) => (await get("/groups", { abort })).items);
    const [adding, setAdding] = useState(false);
    const add = html`<button onClick=${() => setAdding(true)}><${Icon} name="plus" /> New group</button>`;
    return html`<${Loaded} of=${groups} what="The groups">${(all) => (all.length
        ? html`<div class="toolbar"><p class="soft grow">For each figure an account’s own counts first, then the most generous of its groups, then what everybody has.</p>${add}</div><${Table} caption="Groups" columns=${columns} rows=${all} id=${({ id }) => id} height=${57} />`
        : html`<${Empty} icon="account" title="No groups yet" action=${add}>A group gives its members a quota and a list of services, so that you need not set them one by one.</${Empty}>`)}</${Loaded}>
        ${adding && html`<${NewGroup} onClose=${() => setAdding(false)} />`}`;
}

function NewGroup({ onClose }) {
    const [name, setName] = useState("");
    const [description, setDescription] = useState("");
    const send = async () => {
        const made = await post("/groups", { name: name.trim(), description: description.trim() });
        go(`/app/admin/groups/${made.id}`);
    };
    return html`<${FormDialog} title="A new group" act="Make it" send=${send} onClose=${onClose}><${Text} label="Name" value=${name} onText=${setName} required maxlength="64" />
        <${Text} label="Description" optional value=${description} onText=${setDescription} maxlength="1000" /></${FormDialog}>`;
}
