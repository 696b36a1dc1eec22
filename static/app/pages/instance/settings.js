// Settings: what its owner decides. What the process was started with holds until its next start: said, and offered.
import { html, useState } from "../../lib.js";
import { patch } from "../../api.js";
import { act, keep } from "../../instances.js";
import { variables } from "../../import-service.js";
import { remove } from "../../instance-actions.js";
import { ConfigFields, ExpiryField, LimitFields, ModeChoice, SleepField, fieldOf, filled, limitsAsText, limitsOf } from "../../service-form.js";
import { Check, Text } from "../../parts/fields.js";
import { Icon } from "../../parts/icon.js";
import { Complaint, Loading, Note } from "../../parts/states.js";
import { Time } from "../../parts/time.js";
import { toast } from "../../parts/toast.js";

const beginning = (view) => ({
    label: view.label, config: view.config ?? {}, mode: view.mode, limits: limitsAsText(view.limits), sleeps: String(view.idle_seconds), expires: "keep", clearEnv: false, env: "",
});

/** Only what differs is sent. */
function changesOf(view, given) {
    const before = beginning(view);
    const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
    const changes = {};
    if (given.label.trim() !== view.label) changes.label = given.label.trim();
    if (!same(filled(given.config), filled(before.config))) changes.config = filled(given.config);
    if (given.mode !== view.mode) changes.mode = given.mode;
    if (!same(given.limits, before.limits)) changes.limits = limitsOf(given.limits);
    if (given.sleeps !== before.sleeps) changes.idle_seconds = given.sleeps === "" ? null : Number(given.sleeps);
    if (given.env.trim() || given.clearEnv) changes.env = given.clearEnv ? {} : variables(given.env);
    return changes;
}

const needsStart = (changes) => ["config", "mode", "limits", "env"].some((key) => key in changes);

export default function Settings({ view, name, service }) {
    const [given, setGiven] = useState(() => beginning(view));
    const [problem, setProblem] = useState(null);
    const [busy, setBusy] = useState(false);
    if (!service) return html`<${Loading} />`;
    const set = (key) => (value) => setGiven((old) => ({ ...old, [key]: value }));
    const changes = changesOf(view, given);
    const renewal = given.expires === "keep" ? null : given.expires === "" ? { never: true } : { expires_in_minutes: Number(given.expires) };
    const isChanged = Object.keys(changes).length > 0 || renewal;
    const save = async (event) => {
        event.preventDefault();
        const andStart = event.submitter?.value === "start";
        setBusy(true);
        setProblem(null);
        try {
            let next = view;
            if (Object.keys(changes).length) next = keep(await patch(`/mcps/${view.id}`, changes));
            if (renewal) next = await act(view.id, "renew", renewal);
            if (andStart) next = await act(view.id, "restart");
            setGiven(beginning(next));
            toast(andStart ? `Saved; ${name} starts anew` : "Saved");
        } catch (problem) {
            setProblem(problem);
        }
        setBusy(false);
    };
    const field = fieldOf(problem);
    const error = (key) => (field === key ? problem.message : undefined);
    return html`<form class="stack settings" onSubmit=${save}>
        <${Text} label="Name" optional value=${given.label} onText=${set("label")} maxlength="100" placeholder=${`${service.display_name} ${view.number}`} error=${error("label")} />
        <${ConfigFields} service=${service} values=${given.config} onValues=${set("config")} />
        <${ModeChoice} service=${service} value=${given.mode} onText=${set("mode")} />
        <div class="columns"><${Expires} view=${view} value=${given.expires} onText=${set("expires")} /><${SleepField} value=${given.sleeps} onText=${set("sleeps")} /></div>
        <${LimitFields} values=${given.limits} onValues=${set("limits")} />
        <${Text} label="Environment" optional multiline rows="3" class="mono" value=${given.env} onText=${set("env")} placeholder="NAME=value" help="Replaces all variables of the instance. They are stored sealed and not shown again; leave it empty to keep them." error=${error("env")} disabled=${given.clearEnv} />
        <${Check} label="Remove all variables" checked=${given.clearEnv} onCheck=${set("clearEnv")} />
        ${needsStart(changes) && html`<${Note}>The process keeps what it was started with until its next start.</${Note}>`}
        <${Complaint} problem=${problem} />
        <div class="row"><button value="save" disabled=${busy || !isChanged}>${busy ? "Saving…" : "Save"}</button>${needsStart(changes) && html`<button value="start" class="quiet" disabled=${busy}><${Icon} name="retry" /> Save and restart</button>`}
            ${isChanged && html`<button type="button" class="text" onClick=${() => setGiven(beginning(view))}>Discard</button>`}</div></form>
        <section class="card danger-zone"><header><h2>Delete</h2></header><div class="body row spread"><p class="soft">Its process, files, logs and address, for good.</p><button type="button" class="danger quiet" onClick=${() => remove(view, name)}><${Icon} name="trash" /> Delete…</button></div></section>`;
}

function Expires({ view, value, onText }) {
    const [changing, setChanging] = useState(false);
    const help = view.expires_at ? html`Now: <${Time} at=${view.expires_at} />` : "Now: never";
    if (value === "keep" && changing) setChanging(false);
    return changing ? html`<${ExpiryField} value=${value} onText=${onText} help=${help} />`
        : html`<div class="field"><span><strong>Expires</strong></span><span class="row">${view.expires_at ? html`<${Time} at=${view.expires_at} form="date" />` : "Never"}<button type="button" class="text" onClick=${() => { onText(""); setChanging(true); }}>Change</button></span></div>`;
}
