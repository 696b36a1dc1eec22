// Credentials: which one it uses; test, replace, bring back, take another.
import { html, useState } from "../../lib.js";
import { patch, post } from "../../api.js";
import { keep } from "../../instances.js";
import { needsCredential } from "../../needs.js";
import { CredentialField, useCredentials } from "../../service-form.js";
import { Act } from "../../parts/button.js";
import { Badge } from "../../parts/badge.js";
import { Dialog } from "../../parts/dialog.js";
import { SecretText, Select } from "../../parts/fields.js";
import { Icon } from "../../parts/icon.js";
import { Complaint, Empty, Loaded, Loading } from "../../parts/states.js";
import { Time } from "../../parts/time.js";
import { attempt, toast } from "../../parts/toast.js";

export default function Credentials({ view, service }) {
    const stored = useCredentials(view.service);
    const [dialog, setDialog] = useState(null);
    if (!service) return html`<${Loading} />`;
    if (!needsCredential(service)) return html`<${Empty} icon="key" title="It needs no credential">${service.display_name} works without one.</${Empty}>`;
    const close = () => {
        setDialog(null);
        stored.reload();
    };
    return html`<${Loaded} of=${stored} what="Your credentials">${(all) => {
        const mine = all.find((one) => one.id === view.credential_id);
        return html`<div class="stack"><section class="card"><header><h2>${service.credential.label ?? "Credential"}</h2>${mine && html`<${Verdict} one=${mine} />`}</header>
            <div class="body">${mine ? html`<${Facts} one=${mine} />` : html`<p class="bad-text">${view.credential_id ? "It uses a credential of its owner." : "It has none: it cannot work until it has."}</p>`}</div>
            <footer>${mine && html`${service.credential.check && html`<${Test} one=${mine} onDone=${stored.reload} />`}<button class="quiet" onClick=${() => setDialog("rotate")}><${Icon} name="retry" /> Replace its value</button>
                ${mine.previous && html`<${Act} class="quiet" act=${() => attempt(() => post(`/credentials/${mine.id}/rollback`), "The value before is back").then(stored.reload)}>Bring back …${mine.previous.hint}</${Act}>`}`}
                <button class="quiet" onClick=${() => setDialog("other")}>Use another one</button></footer></section>
            <p class="soft small">It is stored sealed, and never shown again but for its last characters. All your credentials are in your <a href="/app/account/credentials">account</a>.</p>
            ${dialog === "rotate" && html`<${Rotate} one=${mine} service=${service} onClose=${close} />`}
            ${dialog === "other" && html`<${Other} view=${view} service=${service} onClose=${close} />`}</div>`;
    }}</${Loaded}>`;
}

function Verdict({ one }) {
    const [tone, words] = { valid: ["good", "Taken"], refused: ["bad", "Refused"], unknown: ["warn", "Could not be tried"] }[one.last_result] ?? ["off", "Not tried"];
    return html`<${Badge} tone=${tone} shape=${{ good: "dot", bad: "cross", warn: "triangle" }[tone] ?? "ring"}>${words}</${Badge}>`;
}

function Facts({ one }) {
    return html`<dl class="facts"><dt>Value</dt><dd>${one.hint ? html`<code>…${one.hint}</code>` : "Sealed"}</dd>${one.label && html`<dt>Name</dt><dd>${one.label}</dd>`}<dt>Stored</dt><dd><${Time} at=${one.created_at} /></dd>
        <dt>Replaced</dt><dd><${Time} at=${one.rotated_at} /></dd>${one.previous && html`<dt>Value before</dt><dd><code>…${one.previous.hint}</code>, kept until <${Time} at=${one.previous.until} /></dd>`}
        <dt>Last tried</dt><dd><${Time} at=${one.last_tested_at} />${one.last_detail && html` <span class="soft">${one.last_detail}</span>`}</dd></dl>`;
}

function Test({ one, onDone }) {
    const test = async () => {
        const tried = await attempt(() => post(`/credentials/${one.id}/test`));
        if (tried) toast(tried.last_result === "valid" ? "The service takes it" : `${tried.last_detail}`, { tone: tried.last_result === "valid" ? "good" : "bad" });
        onDone();
    };
    return html`<${Act} class="quiet" act=${test}><${Icon} name="check" /> Test it</${Act}>`;
}

const graces = [["0", "At once"], ["60", "After an hour"], ["1440", "After a day"], ["10080", "After a week"]];

function Rotate({ one, service, onClose }) {
    const [value, setValue] = useState("");
    const [grace, setGrace] = useState("1440");
    const [problem, setProblem] = useState(null);
    const [busy, setBusy] = useState(false);
    const save = async (event) => {
        event.preventDefault();
        setBusy(true);
        setProblem(null);
        try {
            await post(`/credentials/${one.id}/rotate`, { value, grace_minutes: Number(grace) });
            setValue("");
            toast("It has a new value; no call was lost");
            onClose();
        } catch (problem) {
            setProblem(problem);
            setBusy(false);
        }
    };
    return html`<${Dialog} title="Replace its value" onClose=${onClose}><form onSubmit=${save}><p class="soft">All instances that use it take the new value; calls that are under way end with the old one.</p>
        <${SecretText} label=${`New: ${service.credential.label ?? "credential"}`} value=${value} onText=${setValue} required help=${service.credential.check ? `${service.display_name} is asked whether it takes it` : undefined} />
        <${Select} label="Forget the old value" value=${grace} options=${graces} onText=${setGrace} help="Until then it can be brought back" />
        <${Complaint} problem=${problem} /><div class="row end"><button type="button" class="quiet" onClick=${onClose}>Cancel</button><button disabled=${busy}>Replace</button></div></form></${Dialog}>`;
}

function Other({ view, service, onClose }) {
    const [value, setValue] = useState(view.credential_id ? { id: view.credential_id } : { text: "" });
    const [problem, setProblem] = useState(null);
    const [busy, setBusy] = useState(false);
    const save = async (event) => {
        event.preventDefault();
        setBusy(true);
        setProblem(null);
        try {
            const id = value.id ?? (await post("/credentials", { service: service.name, value: value.text })).id;
            keep(await patch(`/mcps/${view.id}`, { credential_id: id }));
            toast("It uses another credential");
            onClose();
        } catch (problem) {
            setProblem(problem);
            setBusy(false);
        }
    };
    return html`<${Dialog} title="Use another credential" onClose=${onClose}><form onSubmit=${save}><${CredentialField} service=${service} value=${value} onValue=${setValue} />
        <${Complaint} problem=${problem} /><div class="row end"><button type="button" class="quiet" onClick=${onClose}>Cancel</button><button disabled=${busy}>Use it</button></div></form></${Dialog}>`;
}
