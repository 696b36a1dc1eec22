// Security: password, second factor, and where one is signed in.
import { html, useState } from "../../lib.js";
import { del, get, me, post } from "../../api.js";
import { useResource } from "../../resource.js";
import { Badge } from "../../parts/badge.js";
import { confirm } from "../../parts/dialog.js";
import { SecretText } from "../../parts/fields.js";
import { FormDialog } from "../../parts/form-dialog.js";
import { count } from "../../parts/format.js";
import { ask, Card, Line, Section } from "../../parts/section.js";
import { Loading } from "../../parts/states.js";
import { Time } from "../../parts/time.js";
import { toast } from "../../parts/toast.js";
import { device } from "./device.js";
import { Enrol, RemoveCode } from "./second-factor.js";

export default function Security() {
    if (!me.value) return html`<${Loading} rows=${4} />`;
    return html`<div class="stack"><div class="two"><${Password} /><${SecondFactor} /></div><${SignIns} /></div>`;
}

function Password() {
    const [changing, setChanging] = useState(false);
    const has = me.value.has_password;
    return html`<${Card} title="Password" action=${html`<button class="quiet" onClick=${() => setChanging(true)}>${has ? "Change" : "Set a password"}</button>`}>
        <p>${has ? "You sign in with a password." : "You have none: you sign in with a link by mail, or through another service."}</p></${Card}>
        ${changing && html`<${ChangePassword} has=${has} onClose=${() => setChanging(false)} />`}`;
}

function ChangePassword({ has, onClose }) {
    const [current, setCurrent] = useState("");
    const [next, setNext] = useState("");
    const [again, setAgain] = useState("");
    const [wrong, setWrong] = useState({});
    const send = async () => {
        if (next !== again) {
            setWrong({ again: "The two are not the same" });
            return "stay";
        }
        setWrong({});
        await post("/me/password", { ...(has && { current }), new: next });
        me.value = { ...me.value, has_password: true };
        toast("You have a new password; all other sign-ins have ended");
    };
    const onProblem = (problem) => {
        if (problem.code === "wrong_password") setWrong({ current: "That is not your password" });
        else if (problem.message.startsWith("`new`")) setWrong({ next: problem.message.replace(/^`new`: /, "") });
        else return false;
        return true;
    };
    return html`<${FormDialog} title=${has ? "Change your password" : "Set a password"} act=${has ? "Change it" : "Set it"} send=${send} onProblem=${onProblem} onClose=${onClose}>
        <input type="text" class="hidden" autocomplete="username" tabindex="-1" aria-hidden="true" value=${me.value.email} readonly />
        ${has && html`<${SecretText} label="Password now" autocomplete="current-password" value=${current} required error=${wrong.current} onText=${setCurrent} />`}
        <${SecretText} label="New password" value=${next} required minlength="12" error=${wrong.next} onText=${setNext} help="At least 12 characters; a sentence is good" />
        <${SecretText} label="New password again" value=${again} required error=${wrong.again} onText=${setAgain} />
        <p class="soft small">All your other sign-ins end. Tokens and connected apps stay.</p></${FormDialog}>`;
}

function SecondFactor() {
    const [dialog, setDialog] = useState(null);
    const isOn = me.value.totp;
    const badge = isOn ? html`<${Badge} tone="good">On</${Badge}>` : html`<${Badge} tone="off" shape="ring">Off</${Badge}>`;
    const action = html`${badge}<button class=${isOn ? "danger quiet" : "quiet"} onClick=${() => setDialog(isOn ? "remove" : "enrol")}>${isOn ? "Remove…" : "Set up"}</button>`;
    return html`<${Card} title="Second factor" action=${action}><p>${isOn ? "Signing in asks for a code of your app, too." : "With a code of an app on your phone, a stolen password is not enough."}</p></${Card}>
        ${dialog === "enrol" && html`<${Enrol} onClose=${() => setDialog(null)} />`}
        ${dialog === "remove" && html`<${RemoveCode} onClose=${() => setDialog(null)} />`}`;
}

async function end(login, reload) {
    const text = html`<p>${device(login.device)} at ${login.address ?? "an unknown address"} has to sign in again.</p>`;
    if (await ask({ title: "End this sign-in?", text, act: "End it", run: () => del(`/me/logins/${login.id}`), done: "The sign-in has ended" })) reload();
}

async function endOthers(reload) {
    let ended = 0;
    const run = async () => ({ ended } = await del("/me/logins"));
    const text = html`<p>Everywhere but here you have to sign in again. Tokens and connected apps stay.</p>`;
    if (!(await confirm({ title: "End all other sign-ins?", text, act: "End them", danger: true, run }))) return;
    toast(`${count(ended, "sign-in has", "sign-ins have")} ended`);
    reload();
}

function SignIns() {
    const logins = useResource(async (abort) => (await get("/me/logins", { abort })).items);
    const others = (logins.data ?? []).some(({ current }) => !current);
    const action = others && html`<button class="danger quiet" onClick=${() => endOthers(logins.reload)}>End all others</button>`;
    return html`<${Section} title="Sign-ins" lead="Browsers that are signed in with your account" of=${logins} action=${action} empty="None.">${(login) => html`<${Line} key=${login.id}
        title=${html`<span title=${login.device}>${device(login.device)}</span>`} state=${login.current && html`<${Badge} tone="info">This one</${Badge}>`}
        about=${html`${login.address ?? "Unknown address"} · since <${Time} at=${login.created_at} /> · ends <${Time} at=${login.expires_at} />`}>
        ${!login.current && html`<button class="danger quiet" onClick=${() => end(login, logins.reload)}>End<span class="hidden"> the sign-in of ${device(login.device)}</span></button>`}</${Line}>`}</${Section}>`;
}
