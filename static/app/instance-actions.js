// What an owner does with an instance, asking first where something is lost.
import { html } from "./lib.js";
import { del, post } from "./api.js";
import { act, keep } from "./instances.js";
import { go } from "./router.js";
import { Act } from "./parts/button.js";
import { confirm } from "./parts/dialog.js";
import { Icon } from "./parts/icon.js";
import { Menu } from "./parts/menu.js";
import { attempt, toast } from "./parts/toast.js";

const isOn = (view) => view.desired === "running";

export const restart = (view, name) => attempt(() => act(view.id, "restart"), `${name} starts anew`);

/** Off and on again; each is the other's way back. */
export const toggle = (view, name) =>
    attempt(() => act(view.id, "toggle"), isOn(view) ? `${name} is turned off` : `${name} is turned on`, { undo: () => act(view.id, "toggle") });

export const restore = (view, name) => attempt(() => act(view.id, "restore"), `${name} is brought back`);

export async function duplicate(view, name) {
    const made = await attempt(async () => keep(await post(`/mcps/${view.id}/clone`)), `There is a second ${name}`);
    if (made) go(`/app/instances/${made.id}`);
}

/** For good: asks for its name. */
export async function remove(view, name) {
    const text = html`<p>Its process is ended, and its files, logs and address are deleted for good. Clients that use it lose it. Its credential stays.</p>`;
    const done = await confirm({ title: `Delete ${name}?`, text, act: "Delete it", danger: true, type: name, run: () => del(`/mcps/${view.id}`) });
    if (!done) return;
    toast(`${name} is deleted`);
    go("/app/");
}

/** What is nearest at hand in this state. */
export function MainAction({ view, name, small = false }) {
    const { status } = view;
    if (["expired", "disconnected"].includes(status)) return html`<${Act} class=${small ? "quiet" : ""} act=${() => restore(view, name)}><${Icon} name="retry" /> Bring back</${Act}>`;
    if (status === "stopped") return html`<${Act} class=${small ? "quiet" : ""} act=${() => toggle(view, name)}><${Icon} name="power" /> Turn on</${Act}>`;
    if (status === "failed") return html`<a class="button ${small ? "quiet" : ""}" href=${`/app/instances/${view.id}/connect`}><${Icon} name="retry" /> See and retry</a>`;
    return html`<a class="button ${small ? "quiet" : ""}" href=${`/app/instances/${view.id}/connect`}><${Icon} name="link" /> Connect</a>`;
}

/** All the rest. */
export function MoreActions({ view, name }) {
    const base = `/app/instances/${view.id}`;
    return html`<${Menu} name=${`More for ${name}`} label=${html`<${Icon} name="more" size=${18} />`} class="right">
        <a href=${`${base}/logs`}><${Icon} name="info" /> Logs</a><a href=${`${base}/settings`}><${Icon} name="tool" /> Settings</a><hr />
        ${isOn(view) && html`<button class="plain" onClick=${() => restart(view, name)}><${Icon} name="retry" /> Restart</button>`}
        <button class="plain" onClick=${() => toggle(view, name)}><${Icon} name="power" /> ${isOn(view) ? "Turn off" : "Turn on"}</button>
        <button class="plain" onClick=${() => duplicate(view, name)}><${Icon} name="copy" /> Make another like it</button><hr />
        <button class="plain danger" onClick=${() => remove(view, name)}><${Icon} name="trash" /> Delete…</button></${Menu}>`;
}
