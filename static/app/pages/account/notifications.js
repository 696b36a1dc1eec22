// Notifications: what one was told, and in which ways one wants to be told.
import { html, useEffect, useState } from "../../lib.js";
import { get, patch, query } from "../../api.js";
import { live } from "../../live.js";
import { usePages, useResource } from "../../resource.js";
import { count } from "../../parts/format.js";
import { Act } from "../../parts/button.js";
import { Check } from "../../parts/fields.js";
import { Icon } from "../../parts/icon.js";
import { Card } from "../../parts/section.js";
import { Empty, Loaded, Note } from "../../parts/states.js";
import { Time } from "../../parts/time.js";
import { attempt, complain } from "../../parts/toast.js";
import { More } from "../../parts/more.js";

export default function Notifications() {
    const [unread, setUnread] = useState(false);
    const told = usePages((before, abort) => get(query("/notifications", { limit: 50, before, unread: unread || undefined }), { abort }), [unread]);
    useEffect(() => live("/notifications/stream", { notification: () => told.reload() }), []);
    const mark = (body) => attempt(() => patch("/notifications", body)).then(told.reload);
    return html`<div class="stack"><${Loaded} of=${told} what="Your notifications">${({ items, unread: left }) => html`<div>
            ${(items.length > 0 || unread) && html`<div class="toolbar"><p class="soft grow" aria-live="polite">${left ? `${count(left, "is", "are")} unread` : "All are read"}</p>
                <${Check} label="Unread alone" checked=${unread} onCheck=${setUnread} />${left > 0 && html`<${Act} class="quiet" act=${() => mark({ all: true, read: true })}><${Icon} name="check" /> Mark all as read</${Act}>`}</div>`}
            ${items.length ? html`<div class="card"><ul class="lines">${items.map((one) => html`<${Told} key=${one.id} one=${one} mark=${mark} />`)}</ul></div>`
                : html`<${Empty} icon="bell" title=${unread ? "Nothing is unread" : "Nothing yet"}>You are told here when an instance fails, expires or meets a limit, and when somebody signs in from a new place.</${Empty}>`}
            <${More} of=${told} /></div>`}</${Loaded}><${Ways} /></div>`;
}

function Told({ one, mark }) {
    const id = one.detail?.instance ?? one.detail?.id;
    const link = typeof id === "string" && id.length === 36 ? `/app/instances/${id}` : null;
    const isRead = Boolean(one.read_at);
    return html`<li class="line ${isRead ? "" : "unread"}"><div class="line-text"><span>${!isRead && html`<span class="hidden">Unread: </span>`}${link ? html`<a href=${link}>${one.title}</a>` : html`<span class=${isRead ? "" : "strong"}>${one.title}</span>`}</span>
        <span class="soft small">${kinds[one.kind]?.[0] ?? one.kind} · <${Time} at=${one.at} /></span></div>
        <button class="text" onClick=${() => mark({ ids: [one.id], read: !isRead })}>${isRead ? "Mark as unread" : "Mark as read"}<span class="hidden">: ${one.title}</span></button></li>`;
}

const kinds = {
    instance_failed: ["An instance failed", "And is not started again by itself"],
    limit_hit: ["A limit was met", "By an instance, or by your account"],
    expiry_near: ["An instance expires soon", "In time to renew it"],
    expired: ["An instance has expired", "It can be brought back"],
    credential_aging: ["A credential is old", "It was not replaced for long"],
    new_sign_in: ["A sign-in from a new place", "From where nobody signed in before"],
    oauth_grant: ["An app was connected", "A client may use an instance"],
    share_received: ["An instance is shared with you", ""],
    webhook_disabled: ["A webhook was disabled", "Nothing arrived there for long"],
};
const ways = [["app", "Here"], ["mail", "Mail"], ["webhook", "Webhooks"]];

function Ways() {
    const settings = useResource((abort) => get("/me/notification-settings", { abort }));
    const change = async (kind, way, isOn) => {
        const before = settings.data;
        settings.set({ ...before, kinds: { ...before.kinds, [kind]: { ...before.kinds[kind], [way]: isOn } } });
        try {
            settings.set(await patch("/me/notification-settings", { [kind]: { [way]: isOn } }));
        } catch (problem) {
            settings.set(before);
            complain(problem);
        }
    };
    return html`<${Card} title="How you are told" lead="Each change is kept at once" flush><${Loaded} of=${settings} what="The settings">${({ kinds: now, mail }) => html`
        ${!mail && html`<div class="pad"><${Note}>This Berth sends no mail: an administrator has set up no mail server.</${Note}></div>`}
        <table class="matrix"><caption class="hidden">In which ways you are told, by kind</caption><thead><tr><th scope="col">About</th>${ways.map(([way, name]) => html`<th scope="col" key=${way}>${name}</th>`)}</tr></thead>
            <tbody>${Object.keys(now).map((kind) => html`<tr key=${kind}><th scope="row">${kinds[kind]?.[0] ?? kind}${kinds[kind]?.[1] && html`<span class="soft small">${kinds[kind][1]}</span>`}</th>
                ${ways.map(([way, name]) => html`<td key=${way}><label><span class="hidden">${kinds[kind]?.[0] ?? kind}: ${name}</span><span class="way-name" aria-hidden="true">${name}</span><input type="checkbox" checked=${now[kind][way]} disabled=${way === "mail" && !mail} onChange=${(event) => change(kind, way, event.target.checked)} /></label></td>`)}</tr>`)}</tbody></table>`}</${Loaded}></${Card}>`;
}
