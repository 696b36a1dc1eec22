// A start as it happens: its real steps and what the process writes. On failure the crash card, and a way to try again.
import { html, useState } from "./lib.js";
import { get, patch, post } from "./api.js";
import { act, keep } from "./instances.js";
import { useResource } from "./resource.js";
import { needsCredential } from "./needs.js";
import { ConfigFields, CredentialField, fieldOf, filled } from "./service-form.js";
import { variables } from "./import-service.js";
import { Act } from "./parts/button.js";
import { CrashCard, reasonWords } from "./parts/crash-card.js";
import { stateWords } from "./parts/badge.js";
import { Icon } from "./parts/icon.js";
import { LogLines, useLog } from "./parts/log-view.js";
import { Complaint } from "./parts/states.js";
import { Text } from "./parts/fields.js";
import { Time, now } from "./parts/time.js";
import { duration } from "./parts/format.js";
import { complain } from "./parts/toast.js";

/** Whether it is installed before it starts. */
const isPackage = (service) => ["npm", "pypi"].includes(service?.launch.kind);

/** The steps of a start and how far it is. */
export function stepsOf({ status, progress, pid, created_at: created, restarts, last_error: card }, service) {
    const state = (done, now, failed = status === "failed") => (done ? "done" : now ? (failed ? "failed" : "now") : "later");
    const serves = ["running", "idle", "unhealthy"].includes(status);
    const neverRan = ["spawn_failed", "quota_reached"].includes(card?.reason.kind);
    const hasProcess = serves || status === "starting" || Boolean(pid) || (status === "failed" && card && !neverRan);
    const launches = ["pending", "restarting", "failed"].includes(status) && !hasProcess;
    // What is waited for before there is a process is its package.
    const installs = !hasProcess && Boolean(progress);
    const noPackage = status === "failed" && neverRan && isPackage(service) && /install/i.test(card.reason.detail);
    const restarting = status === "restarting" && `It ended; started again in a moment (restart ${restarts + 1})`;
    return [
        { name: "Recorded", state: "done", about: html`<${Time} at=${created} />` },
        ...(isPackage(service) || installs ? [{ name: "Package installed", state: state(!installs && !noPackage && (hasProcess || status !== "pending"), installs || noPackage), about: noPackage ? reasonWords(card) : installs ? progress : "" }] : []),
        { name: "Process started", state: state(hasProcess, launches && !installs && !noPackage), about: restarting || (pid ? `Process ${pid}` : "") },
        { name: "Answers", state: state(serves, hasProcess), about: !hasProcess || serves ? "" : status === "failed" ? reasonWords(card) : "Waiting for its first answer" },
    ];
}

const icons = { done: "check", failed: "close", now: "clock", later: "clock" };
const said = { done: "done", failed: "failed", now: "under way", later: "to come" };

function Steps({ view, service }) {
    return html`<ol class="steps">${stepsOf(view, service).map(({ name, state, about }) => html`<li key=${name} class=${state} aria-current=${state === "now" ? "step" : undefined}>
        <span class="step-mark"><${Icon} name=${icons[state]} /></span><span><strong>${name}</strong><span class="hidden">, ${said[state]}</span>${about && html`<span class="soft small">${about}</span>`}</span></li>`)}</ol>`;
}

export function StartView({ view, service }) {
    const log = useLog(view.id, { tail: 100 });
    const [changing, setChanging] = useState(false);
    const failed = view.status === "failed";
    const age = Math.max(0, now.value - new Date(view.created_at));
    const again = () => act(view.id, "restart").catch(complain);
    const actions = html`<button onClick=${() => setChanging(true)}>Change and try again</button><${Act} class="quiet" act=${again}><${Icon} name="retry" /> Try again</${Act}>
        <a class="button quiet" href=${`/app/instances/${view.id}/logs`}>All of its log</a>`;
    return html`<div class="start stack">
        <p class="hidden" role="status">${stateWords(view.status).name}</p>
        ${failed && view.last_error && !changing && html`<${CrashCard} card=${view.last_error} title="It could not be started" actions=${actions} />`}
        ${changing && html`<${ChangeForm} view=${view} service=${service} onDone=${() => setChanging(false)} />`}
        <section class="card"><header><h2>Start</h2>${!failed && age < 600_000 && html`<span class="soft small tabular">${duration(age)}</span>`}</header>
            <div class="body"><${Steps} view=${view} service=${service} /></div></section>
        <section class="card"><header><h2>What it writes</h2>${log.open && html`<span class="live small">Live</span>`}</header>
            <div class="body flush"><${LogLines} lines=${log.lines} problem=${log.problem} label="Lines that the process writes" empty="Nothing yet." /></div></section></div>`;
}

/** Credential, fields and environment again; saved and started anew. */
function ChangeForm({ view, service, onDone }) {
    const [config, setConfig] = useState(view.config ?? {});
    const [credential, setCredential] = useState(view.credential_id ? { id: view.credential_id } : { text: "" });
    const [env, setEnv] = useState("");
    const [problem, setProblem] = useState(null);
    const [busy, setBusy] = useState(false);
    const full = useResource(async (abort) => service ?? get(`/services/${view.service}`, { abort }), [view.service]);
    if (!full.data) return html`<${Complaint} problem=${full.problem} />`;
    const hasCredential = needsCredential(full.data);
    const save = async (event) => {
        event.preventDefault();
        setBusy(true);
        setProblem(null);
        try {
            const changes = { config: filled(config) };
            if (env.trim()) changes.env = variables(env);
            if (hasCredential) changes.credential_id = credential.id ?? (await post("/credentials", { service: view.service, value: credential.text })).id;
            keep(await patch(`/mcps/${view.id}`, changes));
            await act(view.id, "restart");
            onDone();
        } catch (problem) {
            setProblem(problem);
            setBusy(false);
        }
    };
    const field = fieldOf(problem);
    return html`<section class="card"><header><h2>Change and try again</h2></header><form class="body stack" onSubmit=${save}>
        ${hasCredential && html`<${CredentialField} service=${full.data} value=${credential} onValue=${setCredential} error=${field === "credential" ? problem.message : undefined} />`}
        <${ConfigFields} service=${full.data} values=${config} onValues=${setConfig} />
        <${Text} label="Environment" optional multiline rows="3" class="mono" value=${env} onText=${setEnv} placeholder="NAME=value" help="Replaces all variables of the instance; leave it empty to keep them" error=${field === "env" ? problem.message : undefined} />
        <${Complaint} problem=${problem} />
        <div class="row"><button disabled=${busy}>${busy ? "One moment…" : "Save and start"}</button><button type="button" class="quiet" onClick=${onDone}>Cancel</button></div></form></section>`;
}
