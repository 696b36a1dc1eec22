// The bell: what one was told, live.
import { html, signal, useEffect } from "./lib.js";
import { get, patch, query, refresh } from "./api.js";
import { live } from "./live.js";
import { Icon } from "./parts/icon.js";
import { Menu } from "./parts/menu.js";
import { Time } from "./parts/time.js";
import { Failure, Loading } from "./parts/states.js";
import { attempt } from "./parts/toast.js";

const MOST = 30;
const told = signal(/** @type {{items: any[], unread: number}|null} */ (null));
const problem = signal(null);

async function fetchTold() {
    try {
        told.value = await get(query("/notifications", { limit: MOST }));
        problem.value = null;
    } catch (error) {
        problem.value = error;
    }
}

function take(one) {
    const { items = [], unread = 0 } = told.value ?? {};
    if (items.some(({ id }) => id === one.id)) return;
    told.value = { items: [one, ...items].slice(0, MOST), unread: unread + 1 };
}

const readAll = () => attempt(async () => {
    const { unread } = await patch("/notifications", { all: true, read: true });
    const at = new Date().toISOString();
    told.value = { items: told.value.items.map((one) => ({ ...one, read_at: one.read_at ?? at })), unread };
});

function Told({ one }) {
    const instance = one.detail?.instance ?? one.detail?.id;
    const words = html`<span>${one.title}</span><span class="soft small"><${Time} at=${one.at} /></span>`;
    const kind = `told ${one.read_at ? "" : "unread"}`;
    const mark = one.read_at ? null : html`<span class="hidden">Unread: </span>`;
    return typeof instance === "string" && instance.length === 36
        ? html`<a class=${kind} href=${`/app/instances/${instance}`}>${mark}${words}</a>` : html`<div class=${kind}>${mark}${words}</div>`;
}

export function Bell() {
    const turn = refresh.value;
    useEffect(() => void fetchTold(), [turn]);
    useEffect(() => live("/notifications/stream", { notification: take }, { opened: () => told.value && fetchTold() }), []);
    const unread = told.value?.unread ?? 0;
    const label = html`<${Icon} name="bell" size=${18} />${unread > 0 && html`<span class="count">${unread > 99 ? "99+" : unread}</span>`}`;
    return html`<${Menu} name=${unread ? `Notifications, ${unread} unread` : "Notifications"} label=${label} class="right bell">
        <div class="menu-head row"><strong>Notifications</strong>${unread > 0 && html`<button class="text stays" onClick=${readAll}>Mark all as read</button>`}</div>
        <div class="told-list">${content()}</div>
        <a class="menu-foot" href="/app/account/notifications">All notifications and settings</a></${Menu}>`;
}

function content() {
    if (told.value) {
        if (!told.value.items.length) return html`<p class="soft pad">Nothing yet. You are told here when an instance fails, expires or meets a limit.</p>`;
        return told.value.items.map((one) => html`<${Told} key=${one.id} one=${one} />`);
    }
    return problem.value ? html`<${Failure} problem=${problem.value} retry=${fetchTold} what="Notifications" />` : html`<${Loading} />`;
}
