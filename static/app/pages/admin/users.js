// Users: all accounts; each has a page of its own (`Item`).
import { html, useState } from "../../lib.js";
import { me, post } from "../../api.js";
import { Choice, SecretText, Text } from "../../parts/fields.js";
import { FormDialog } from "../../parts/form-dialog.js";
import { count } from "../../parts/format.js";
import { Icon } from "../../parts/icon.js";
import { Empty, Loaded } from "../../parts/states.js";
import { Table } from "../../parts/table.js";
import { Time } from "../../parts/time.js";
import { toast } from "../../parts/toast.js";
import { go } from "../../router.js";
import { AccountState, useUsers } from "./people.js";
import { Actions } from "./user-actions.js";

export { default as Item } from "./user.js";

const columns = (reload) => [
    { name: "Account", cell: (user) => html`<a class="name" href=${`/app/admin/users/${user.id}`}><span>${user.email}<span class="soft small">${user.id === me.value?.id ? "You" : `Number ${user.number}`}</span></span></a>` },
    { name: "Role", cell: (user) => (user.role === "admin" ? "Administrator" : "User") },
    { name: "State", cell: (user) => html`<${AccountState} user=${user} />` },
    { name: "Groups", cell: (user) => user.groups?.join(", ") || html`<span class="soft">None</span>` },
    { name: "Here since", cell: (user) => html`<${Time} at=${user.created_at} />` },
    { name: "Actions", hidden: true, class: "end corner", cell: (user) => html`<div class="row"><${Actions} user=${user} onDone=${reload} /></div>` },
];

const states = { active: (user) => !user.disabled && !user.erase_at, disabled: (user) => user.disabled && !user.erase_at, removed: (user) => user.erase_at, admin: (user) => user.role === "admin" };
const filters = [["", "All accounts"], ["active", "Active"], ["disabled", "Disabled"], ["removed", "Removed"], ["admin", "Administrators"]];

export default function Users({ query }) {
    const users = useUsers();
    const [adding, setAdding] = useState(false);
    const text = query.get("search") ?? "";
    const show = query.get("show") ?? "";
    const search = (values) => {
        const next = new URLSearchParams(Object.entries({ search: text, show, ...values }).filter(([, value]) => value));
        go(`/app/admin/users${next.size ? `?${next}` : ""}`, { replace: true, quiet: true });
    };
    return html`<${Loaded} of=${users} what="The accounts" rows=${6}>${(all) => {
        const rows = all.filter((user) => `${user.email} ${user.groups?.join(" ") ?? ""}`.toLowerCase().includes(text.toLowerCase()) && (states[show]?.(user) ?? true));
        return html`<div class="toolbar"><div class="search"><${Icon} name="search" /><input type="search" aria-label="Search accounts" placeholder="Search" value=${text} onInput=${(event) => search({ search: event.target.value })} /></div>
                <select aria-label="State" value=${show} onChange=${(event) => search({ show: event.target.value })}>${filters.map(([key, words]) => html`<option key=${key} value=${key} selected=${key === show}>${words}</option>`)}</select>
                <span class="soft grow" aria-live="polite">${count(rows.length, "account")}</span><button onClick=${() => setAdding(true)}><${Icon} name="plus" /> New user</button></div>
            ${rows.length ? html`<${Table} caption="Accounts" columns=${columns(users.reload)} rows=${rows} id=${({ id }) => id} height=${57} />`
                : html`<${Empty} icon="search" title="Nobody fits" action=${html`<button class="quiet" onClick=${() => search({ search: "", show: "" })}>Show all</button>`}>No account fits what you look for.</${Empty}>`}`;
    }}</${Loaded}>${adding && html`<${NewUser} onClose=${() => setAdding(false)} onMade=${users.reload} />`}`;
}

const roles = [{ value: "user", name: "User", help: "Has instances of their own" }, { value: "admin", name: "Administrator", help: "Sees and changes everything here" }];

function NewUser({ onClose, onMade }) {
    const [email, setEmail] = useState("");
    const [password, setPassword] = useState("");
    const [role, setRole] = useState("user");
    const [wrong, setWrong] = useState({});
    const send = async () => {
        setWrong({});
        await post("/users", { email: email.trim(), role, ...(password && { password }) });
        setPassword("");
        toast(`${email.trim()} has an account`);
        onMade();
    };
    const onProblem = (problem) => {
        if (problem.code === "conflict" || /e-?mail/i.test(problem.message)) setWrong({ email: problem.message });
        else if (/password/i.test(problem.message)) setWrong({ password: problem.message });
        else return false;
        return true;
    };
    return html`<${FormDialog} title="A new user" act="Make the account" send=${send} onProblem=${onProblem} onClose=${onClose}>
        <${Text} label="E-mail" type="email" value=${email} onText=${setEmail} required error=${wrong.email} />
        <${SecretText} label="Password" optional value=${password} onText=${setPassword} error=${wrong.password} help="Without one they sign in with a link by mail, or through another service" />
        <${Choice} label="Role" value=${role} options=${roles} onText=${setRole} /></${FormDialog}>`;
}
