// With which OAuth client Berth signs people in at a service.
import { html, useState } from "../../lib.js";
import { del, get, put } from "../../api.js";
import { useResource } from "../../resource.js";
import { CopyLine } from "../../parts/copy.js";
import { Dialog } from "../../parts/dialog.js";
import { SecretText, Text } from "../../parts/fields.js";
import { FormDialog } from "../../parts/form-dialog.js";
import { ask } from "../../parts/section.js";
import { Loaded, Note } from "../../parts/states.js";
import { Time } from "../../parts/time.js";
import { toast } from "../../parts/toast.js";

const path = (service) => `/services/${encodeURIComponent(service.name)}/oauth-client`;

/** @param {{service: any, onClose: () => void}} props */
export function OutsideClient({ service, onClose }) {
    const known = useResource((abort) => get(path(service), { abort }), [service.name]);
    if (!known.data) return html`<${Dialog} title=${`OAuth client of ${service.display_name}`} onClose=${onClose}><${Loaded} of=${known} what="The client">${() => null}</${Loaded}></${Dialog}>`;
    return html`<${Form} service=${service} known=${known.data} onClose=${onClose} />`;
}

function Form({ service, known, onClose }) {
    const [id, setId] = useState(known.client_id ?? "");
    const [secret, setSecret] = useState("");
    const isThere = Boolean(known.client_id);
    const send = async () => {
        await put(path(service), { client_id: id.trim(), ...(secret && { client_secret: secret }) });
        setSecret("");
        toast(`People can connect ${service.display_name} now`);
    };
    const remove = async () => {
        onClose();
        const text = html`<p>Nobody can connect ${service.display_name}, and tokens that were granted are not refreshed any more.</p>`;
        await ask({ title: "Forget this client?", text, act: "Forget it", run: () => del(path(service)), done: "The client is forgotten" });
    };
    return html`<${FormDialog} title=${`OAuth client of ${service.display_name}`} act=${isThere ? "Replace it" : "Store it"} send=${send} onClose=${onClose}>
        <p class="soft">Register Berth there as a web application with this redirect URI${known.scopes?.length > 0 && html` and these scopes: <code>${known.scopes.join(" ")}</code>`}.</p>
        <div class="field"><strong>Redirect URI</strong><${CopyLine} text=${known.redirect_uri} label="Redirect URI" /></div>
        ${isThere && html`<${Note} tone="warn">With another client, people who are connected have to connect again.</${Note}>`}
        <${Text} label="Client id" value=${id} onText=${setId} required class="mono" help=${isThere && html`Stored <${Time} at=${known.created_at} />`} />
        <${SecretText} label="Client secret" optional value=${secret} onText=${setSecret} help=${isThere && known.has_secret ? "The one that is stored is replaced, or taken away when this is empty" : "Stored sealed, and never shown"} />
        ${isThere && html`<div><button type="button" class="danger quiet" onClick=${remove}>Forget this client…</button></div>`}</${FormDialog}>`;
}
