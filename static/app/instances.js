// The instances of the account, live: one list for all pages. Owner of state: this list.
import { batch, computed, signal } from "./lib.js";
import { get, post, refresh } from "./api.js";
import { live } from "./live.js";

const known = signal(/** @type {Map<string, any>|null} */ (null));

/** `null` until they are known; newest first. */
export const instances = computed(() => {
    if (!known.value) return null;
    return [...known.value.values()].sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
});
/** Why they could not be fetched. */
export const failure = signal(null);

/** Takes over what the API has answered about one instance. */
export function keep(view) {
    if (!known.value) return view;
    const next = new Map(known.value);
    next.set(view.id, view);
    known.value = next;
    return view;
}

function forget(id) {
    if (!known.value?.has(id)) return;
    const next = new Map(known.value);
    next.delete(id);
    known.value = next;
}

/** One of them, live; `undefined` when it is not the account's, or not known yet. */
export const instance = (id) => known.value?.get(id);

/** Fetches the list. */
export async function fetchAll() {
    try {
        const { items } = await get("/mcps");
        batch(() => {
            known.value = new Map(items.map((item) => [item.id, item]));
            failure.value = null;
        });
    } catch (problem) {
        failure.value = problem;
    }
}

// What a stream says first tells whether the list still holds.
function compare(states) {
    const now = known.value;
    if (!now) return;
    const ids = Object.keys(states);
    const same = ids.length === now.size && ids.every((id) => now.get(id)?.status === states[id]);
    if (!same) fetchAll();
}

/** Begins to follow; called once. */
export function follow() {
    fetchAll();
    let seen = refresh.value;
    refresh.subscribe((turn) => {
        if (turn !== seen) fetchAll();
        seen = turn;
    });
    live("/mcps/stream", { ready: compare, instance: keep, gone: ({ id }) => forget(id) });
}

/** Does something with an instance (`restart`, `toggle`, `restore`, `clone` …) and keeps what it is then. */
export async function act(id, verb, body) {
    return keep(await post(`/mcps/${id}/${verb}`, body));
}

/** How people call it. */
export const nameOf = (view, services) =>
    view.label || `${services?.get(view.service)?.display_name ?? view.service} ${view.number}`;

/** Whether it is on its way to serving. */
export const isComing = (view) => ["pending", "starting", "restarting"].includes(view.status);
