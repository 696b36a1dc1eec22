// Who is who: accounts by id, for pages that name them.
import { html } from "../../lib.js";
import { get } from "../../api.js";
import { useResource } from "../../resource.js";
import { Badge } from "../../parts/badge.js";
import { Time } from "../../parts/time.js";

/** All accounts. */
export const useUsers = () => useResource(async (abort) => (await get("/users", { abort })).items);

/** The accounts by id. @param {ReturnType<typeof useUsers>} users */
export const byId = (users) => new Map((users.data ?? []).map((user) => [user.id, user]));

/** An account as a link to its page. */
export function Person({ id, people }) {
    if (!id) return html`<span class="soft">Berth</span>`;
    const user = people.get(id);
    return user ? html`<a href=${`/app/admin/users/${id}`}>${user.email}</a>` : html`<code title=${id}>${id.slice(0, 8)}…</code>`;
}

/** What state an account is in. */
export function AccountState({ user }) {
    if (user.erase_at) return html`<span class="state-cell"><${Badge} tone="bad" shape="cross">Removed</${Badge}><span class="soft small">erased <${Time} at=${user.erase_at} /></span></span>`;
    return user.disabled ? html`<${Badge} tone="warn" shape="square">Disabled</${Badge}>` : html`<${Badge} tone="good">Active</${Badge}>`;
}
