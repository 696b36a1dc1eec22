// What an administrator does with somebody's instance.
import { html } from "../../lib.js";
import { del, post } from "../../api.js";
import { Icon } from "../../parts/icon.js";
import { Menu } from "../../parts/menu.js";
import { ask } from "../../parts/section.js";
import { attempt } from "../../parts/toast.js";

const isOn = (view) => view.desired === "running";

/** @param {{view: any, name: string, keep: (view: any) => void, forget: (id: string) => void}} props */
export function Actions({ view, name, keep, forget }) {
    const act = async (verb) => keep(await post(`/mcps/${view.id}/${verb}`));
    const toggle = () => attempt(() => act("toggle"), `${name} is turned ${isOn(view) ? "off" : "on"}`, { undo: () => act("toggle") });
    const remove = async () => {
        const text = html`<p>Its process is ended, and its files, logs and address are deleted for good. Its owner’s clients lose it.</p>`;
        if (await ask({ title: `Delete ${name}?`, text, act: "Delete it", type: name, run: () => del(`/mcps/${view.id}`), done: `${name} is deleted` })) forget(view.id);
    };
    const isOver = ["expired", "disconnected", "failed"].includes(view.status);
    return html`<${Menu} name=${`More for ${name}`} label=${html`<${Icon} name="more" size=${18} />`} class="right"><a href=${`/app/instances/${view.id}`}><${Icon} name="info" /> Open</a><a href=${`/app/instances/${view.id}/logs`}><${Icon} name="info" /> Logs</a><hr />
        ${isOver && html`<button class="plain" onClick=${() => attempt(() => act("restore"), `${name} is brought back`)}><${Icon} name="retry" /> Bring back</button>`}
        ${isOn(view) && html`<button class="plain" onClick=${() => attempt(() => act("restart"), `${name} starts anew`)}><${Icon} name="retry" /> Restart</button>`}
        <button class="plain" onClick=${toggle}><${Icon} name="power" /> Turn ${isOn(view) ? "off" : "on"}</button><hr />
        <button class="plain danger" onClick=${remove}><${Icon} name="trash" /> Delete…</button></${Menu}>`;
}
