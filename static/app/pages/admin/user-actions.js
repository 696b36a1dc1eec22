// What an administrator does with an account.
import { html, useState } from "../../lib.js";
import { del, me, patch, post } from "../../api.js";
import { SecretText } from "../../parts/fields.js";
import { FormDialog } from "../../parts/form-dialog.js";
import { Icon } from "../../parts/icon.js";
import { Menu } from "../../parts/menu.js";
import { ask } from "../../parts/section.js";
import { attempt, toast } from "../../parts/toast.js";

async function disable(user, onDone) {
    const change = (disabled) => patch(`/users/${user.id}`, { disabled });
    if (user.disabled) return attempt(() => change(false), `${user.email} may sign in again`).then(onDone);
    const text = html`<p>They are signed out, and their tokens are refused from the next request on. What they have stays.</p>`;
    const done = await ask({ title: `Disable ${user.email}?`, text, act: "Disable", run: () => change(true), done: `${user.email} is disabled`, undo: () => change(false).then(onDone) });
    if (done) onDone();
}

async function changeRole(user, onDone) {
    const role = user.role === "admin" ? "user" : "admin";
    const text = role === "admin" ? html`<p>They will see and change everything here: all instances, all accounts, the audit log.</p>` : html`<p>They keep what they have, and see nothing of others any more.</p>`;
    const title = role === "admin" ? `Make ${user.email} an administrator?` : `Make ${user.email} a user?`;
    const run = () => patch(`/users/${user.id}`, { role });
    if (await ask({ title, text, act: role === "admin" ? "Make administrator" : "Make user", danger: role === "user", run, done: "The role is changed", undo: () => patch(`/users/${user.id}`, { role: user.role }).then(onDone) })) onDone();
}

async function resetCode(user, onDone) {
    const text = html`<p>If they have one, it is taken away: their password alone signs them in. Be sure that it is they who ask.</p>`;
    if (await ask({ title: `Reset the second factor of ${user.email}?`, text, act: "Take it away", run: () => del(`/users/${user.id}/totp`), done: "The second factor is gone" })) onDone();
}

const bringBack = (user, onDone) => attempt(() => post(`/users/${user.id}/restore`), `${user.email} is back, with what was running`).then(onDone);

async function remove(user, onDone) {
    const text = html`<p>They are shut out at once and what they run is turned off. Unless the setting <code>user_undo_hours</code> is 0, the account can be brought back for that long (a day by default); then everything it has is erased.</p>`;
    const undo = () => post(`/users/${user.id}/restore`).then(onDone);
    if (await ask({ title: `Remove ${user.email}?`, text, act: "Remove", run: () => del(`/users/${user.id}`), done: `${user.email} is removed`, undo })) onDone();
}

async function erase(user, onDone) {
    const text = html`<p>Instances, credentials, tokens and files are erased now. Nobody can bring them back.</p>`;
    if (await ask({ title: `Erase ${user.email} for good?`, text, act: "Erase now", type: user.email, run: () => del(`/users/${user.id}?now=true`), done: `${user.email} is erased` })) onDone("erased");
}

/** @param {{user: any, onDone: (how?: string) => void}} props */
export function Actions({ user, onDone }) {
    const [setting, setSetting] = useState(false);
    const isSelf = user.id === me.value?.id;
    return html`<${Menu} name=${`More for ${user.email}`} label=${html`<${Icon} name="more" size=${18} />`} class="right">
            ${user.erase_at ? html`<button class="plain" onClick=${() => bringBack(user, onDone)}><${Icon} name="retry" /> Restore</button>`
                : html`<button class="plain" onClick=${() => changeRole(user, onDone)}><${Icon} name="admin" /> ${user.role === "admin" ? "Make a user…" : "Make administrator…"}</button>
                    <button class="plain" onClick=${() => setSetting(true)}><${Icon} name="key" /> Set a password…</button>
                    <button class="plain" onClick=${() => resetCode(user, onDone)}><${Icon} name="lock" /> Reset second factor…</button>
                    ${!isSelf && html`<button class="plain" onClick=${() => disable(user, onDone)}><${Icon} name="power" /> ${user.disabled ? "Enable" : "Disable…"}</button>`}`}
            ${!isSelf && html`<hr />${!user.erase_at && html`<button class="plain danger" onClick=${() => remove(user, onDone)}><${Icon} name="trash" /> Remove…</button>`}
                <button class="plain danger" onClick=${() => erase(user, onDone)}><${Icon} name="trash" /> Erase for good…</button>`}</${Menu}>
        ${setting && html`<${SetPassword} user=${user} onClose=${() => setSetting(false)} />`}`;
}

function SetPassword({ user, onClose }) {
    const [password, setPassword] = useState("");
    const send = async () => {
        await patch(`/users/${user.id}`, { password });
        setPassword("");
        toast(`${user.email} has a new password`);
    };
    return html`<${FormDialog} title=${`A password for ${user.email}`} act="Set it" send=${send} onClose=${onClose}><p>All their sign-ins end. Tell it to them in a safe way; they can change it in their account.</p>
        <${SecretText} label="New password" value=${password} required minlength="12" onText=${setPassword} help="At least 12 characters" /></${FormDialog}>`;
}
