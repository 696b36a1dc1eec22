// OAuth clients that somebody with an account has made: machines of one's own; for administrators, any.
import { html, useState } from "../../lib.js";
import { del, get, me, patch, post } from "../../api.js";
import { useResource } from "../../resource.js";
import { Badge } from "../../parts/badge.js";
import { CopyLine } from "../../parts/copy.js";
import { Choice, Text } from "../../parts/fields.js";
import { FormDialog, Once } from "../../parts/form-dialog.js";
import { Icon } from "../../parts/icon.js";
import { Menu } from "../../parts/menu.js";
import { ask, Line, Section } from "../../parts/section.js";
import { Time } from "../../parts/time.js";
import { toast } from "../../parts/toast.js";

const isMachine = (client) => client.grant_types.includes("client_credentials");
const isAdmin = () => me.value?.role === "admin";

async function remove(client, reload) {
    const text = html`<p>It cannot get tokens any more, and everything that was allowed it ends. This cannot be undone.</p>`;
    if (await ask({ title: `Delete ${client.name}?`, text, act: "Delete it", run: () => del(`/oauth/clients/${encodeURIComponent(client.id)}`), done: `${client.name} is deleted` })) reload();
}

async function renew(client, show) {
    const text = html`<p>The secret that it has now is worth nothing at once.</p>`;
    const run = async () => show(await patch(`/oauth/clients/${encodeURIComponent(client.id)}`, { new_secret: true }));
    await ask({ title: `A new secret for ${client.name}?`, text, act: "Make a new secret", run, done: "It has a new secret" });
}

export function Clients() {
    const clients = useResource(async (abort) => (await get("/oauth/clients", { abort })).items);
    const [dialog, setDialog] = useState(null);
    const close = () => setDialog(null);
    const show = (made) => {
        setDialog({ made });
        clients.reload();
    };
    const action = html`<button class="quiet" onClick=${() => setDialog({ isNew: true })}><${Icon} name="plus" /> New client</button>`;
    const lead = isAdmin() ? "Made by administrators and users, with an id and a secret" : "Machines of yours that sign in with an id and a secret instead of you";
    return html`<${Section} title="OAuth clients" lead=${lead} of=${clients} action=${action} empty="None. Most clients register by themselves and need none.">${(client) => html`<${Line} key=${client.id} title=${client.name}
            state=${html`<${Badge} tone="off" shape=${isMachine(client) ? "square" : "ring"}>${isMachine(client) ? "Machine" : "Asks users"}</${Badge}>`}
            about=${html`<code>${client.id}</code> · made <${Time} at=${client.created_at} /> · ${client.last_used_at ? html`used <${Time} at=${client.last_used_at} />` : "never used"}`}>
            <${Menu} name=${`More for ${client.name}`} label=${html`<${Icon} name="more" size=${18} />`} class="right"><button class="plain" onClick=${() => setDialog({ renaming: client })}>Rename…</button>
                ${["client_secret_basic", "client_secret_post"].includes(client.authentication) && html`<button class="plain" onClick=${() => renew(client, show)}><${Icon} name="retry" /> New secret…</button>`}<hr />
                <button class="plain danger" onClick=${() => remove(client, clients.reload)}><${Icon} name="trash" /> Delete…</button></${Menu}></${Line}>`}</${Section}>
        ${dialog?.isNew && html`<${NewClient} onClose=${close} onMade=${show} />`}
        ${dialog?.renaming && html`<${Rename} client=${dialog.renaming} onClose=${close} onDone=${clients.reload} />`}
        ${dialog?.made && html`<${Once} title=${dialog.made.name} label="Client secret" secret=${dialog.made.client_secret ?? ""} onClose=${close}><div class="field"><strong>Client id</strong><${CopyLine} text=${dialog.made.id} label="Client id" /></div></${Once}>`}`;
}

const kinds = [
    { value: "machine", name: "A machine of yours", help: "Acts for you, with your instances; nobody is asked" },
    { value: "app", name: "An app that asks users", help: "Sends people here to allow it; needs the addresses that they come back to" },
];

function NewClient({ onClose, onMade }) {
    const [name, setName] = useState("");
    const [kind, setKind] = useState("machine");
    const [uris, setUris] = useState("");
    const send = async () => {
        const body = kind === "machine" ? { name: name.trim(), grant_types: ["client_credentials"], owner: me.value.id }
            : { name: name.trim(), grant_types: ["authorization_code"], redirect_uris: uris.split("\n").map((line) => line.trim()).filter(Boolean) };
        const made = await post("/oauth/clients", body);
        onMade(made);
        return "stay";
    };
    return html`<${FormDialog} title="A new OAuth client" act="Make it" send=${send} onClose=${onClose}><${Text} label="Name" value=${name} onText=${setName} required maxlength="100" />
        ${isAdmin() && html`<${Choice} label="Kind" value=${kind} options=${kinds} onText=${setKind} />`}
        ${kind === "app" && html`<${Text} label="Redirect URIs" multiline rows="3" class="mono" value=${uris} onText=${setUris} required help="One per line" placeholder="https://app.example.com/callback" />`}</${FormDialog}>`;
}

function Rename({ client, onClose, onDone }) {
    const [name, setName] = useState(client.name);
    const send = async () => {
        await patch(`/oauth/clients/${encodeURIComponent(client.id)}`, { name: name.trim() });
        toast("It has another name");
        onDone();
    };
    return html`<${FormDialog} title=${`Rename ${client.name}`} act="Rename" send=${send} onClose=${onClose}><${Text} label="Name" value=${name} onText=${setName} required maxlength="100" /></${FormDialog}>`;
}
