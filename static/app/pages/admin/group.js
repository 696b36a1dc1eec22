// One group: its members, and what it gives them.
import { html, useState } from "../../lib.js";
import { del, get, patch, put } from "../../api.js";
import { Title } from "../../outlet.js";
import { useResource } from "../../resource.js";
import { go } from "../../router.js";
import { Select, Text } from "../../parts/fields.js";
import { FormDialog } from "../../parts/form-dialog.js";
import { count } from "../../parts/format.js";
import { Icon } from "../../parts/icon.js";
import { ask, Card, Line } from "../../parts/section.js";
import { Loaded } from "../../parts/states.js";
import { attempt, toast } from "../../parts/toast.js";
import { Entitlement } from "./entitlement.js";
import { useUsers } from "./people.js";

const back = { href: "/app/admin/groups", name: "Groups" };

async function remove(group) {
    const text = html`<p>${count(group.members.length, "member")} lose what it gives them; their accounts and instances stay.</p>`;
    if (await ask({ title: `Delete ${group.name}?`, text, act: "Delete it", run: () => del(`/groups/${group.id}`), done: `${group.name} is deleted` })) go("/app/admin/groups");
}

export default function Group({ params }) {
    const group = useResource((abort) => get(`/groups/${params.item}`, { abort }), [params.item]);
    const [dialog, setDialog] = useState(null);
    if (!group.data) return html`<${Title} back=${back} text="Group" /><${Loaded} of=${group} what="This group">${() => null}</${Loaded}>`;
    const of = group.data;
    const actions = html`<button class="quiet" onClick=${() => setDialog("rename")}>Rename</button><button class="danger quiet" onClick=${() => remove(of)}><${Icon} name="trash" /> Delete…</button>`;
    return html`<${Title} back=${back} text=${of.name} lead=${of.description} actions=${actions} /><div class="stack"><${Members} of=${of} reload=${group.reload} add=${() => setDialog("add")} />
        <${Entitlement} title="What it gives its members" lead="An empty figure is left to what everybody has" path=${`/groups/${of.id}`} of=${of} onDone=${group.reload} /></div>
        ${dialog === "add" && html`<${Add} of=${of} onClose=${() => setDialog(null)} onDone=${group.reload} />`}${dialog === "rename" && html`<${Rename} of=${of} onClose=${() => setDialog(null)} onDone=${group.reload} />`}`;
}

function Members({ of, reload, add }) {
    const path = (id) => `/groups/${of.id}/members/${id}`;
    const takeOut = async ({ id, email }) => {
        if (await attempt(() => del(path(id)), `${email} is not in ${of.name} any more`, { undo: () => put(path(id)).then(reload) })) reload();
    };
    return html`<${Card} title="Members" lead=${count(of.members.length, "account")} action=${html`<button class="quiet" onClick=${add}><${Icon} name="plus" /> Add a member</button>`} flush>${of.members.length
        ? html`<ul class="lines">${of.members.map((one) => html`<${Line} key=${one.id} title=${html`<a href=${`/app/admin/users/${one.id}`}>${one.email}</a>`}><button class="danger quiet" onClick=${() => takeOut(one)}>Take out<span class="hidden"> ${one.email}</span></button></${Line}>`)}</ul>`
        : html`<p class="soft pad">Nobody yet.</p>`}</${Card}>`;
}

function Add({ of, onClose, onDone }) {
    const users = useUsers();
    const left = (users.data ?? []).filter((user) => !user.erase_at && !of.members.some(({ id }) => id === user.id));
    const [id, setId] = useState("");
    const chosen = id || left[0]?.id;
    const send = async () => {
        await put(`/groups/${of.id}/members/${chosen}`);
        toast("They are in");
        onDone();
    };
    return html`<${FormDialog} title=${`Add a member to ${of.name}`} act="Add" disabled=${!chosen} send=${send} onClose=${onClose}><${Loaded} of=${users} what="The accounts">${() => (left.length
        ? html`<${Select} label="Account" value=${chosen} options=${left.map((user) => [user.id, user.email])} onText=${setId} />` : html`<p>All accounts are in it.</p>`)}</${Loaded}></${FormDialog}>`;
}

function Rename({ of, onClose, onDone }) {
    const [name, setName] = useState(of.name);
    const [description, setDescription] = useState(of.description);
    const send = async () => {
        await patch(`/groups/${of.id}`, { name: name.trim(), description: description.trim() });
        onDone();
    };
    return html`<${FormDialog} title=${`Rename ${of.name}`} act="Save" send=${send} onClose=${onClose}><${Text} label="Name" value=${name} onText=${setName} required maxlength="64" /><${Text} label="Description" optional value=${description} onText=${setDescription} maxlength="1000" /></${FormDialog}>`;
}
