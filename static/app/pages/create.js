// A new instance of a service: the form that its manifest asks for.
import { html, useEffect, useState } from "../lib.js";
import { get, post } from "../api.js";
import { needCatalog, services } from "../catalog.js";
import { keep } from "../instances.js";
import { Title } from "../outlet.js";
import { go } from "../router.js";
import { useResource } from "../resource.js";
import { memoryWords, needsCredential, networkWords, originWords } from "../needs.js";
import { variables } from "../import-service.js";
import { ConfigFields, CredentialField, ExpiryField, LimitFields, ModeChoice, SleepField, fieldOf, filled, limitsAsText, limitsOf, useCredentials } from "../service-form.js";
import { Text } from "../parts/fields.js";
import { ServiceIcon } from "../parts/icon.js";
import { Complaint, Loaded } from "../parts/states.js";

const back = { href: "/app/catalog", name: "Catalog" };

export default function Create({ params }) {
    needCatalog();
    // The catalog may know it already; else it is asked for alone.
    const known = services.value?.get(params.service);
    const service = useResource(async (abort) => known ?? get(`/services/${encodeURIComponent(params.service)}`, { abort }), [params.service]);
    return html`<${Title} back=${back} text=${`New ${service.data?.display_name ?? params.service}`}><span class="title-icon">${service.data && html`<${ServiceIcon} service=${service.data} />`} New ${service.data?.display_name ?? params.service}</span></${Title}>
        <${Loaded} of=${service} what="This service">${(service) => html`<div class="create"><${Form} service=${service} /><${About} service=${service} /></div>`}</${Loaded}>`;
}

function About({ service }) {
    return html`<aside class="card about"><header><h2>About ${service.display_name}</h2></header><div class="body stack">
        <p>${service.description}</p>
        <dl class="facts"><dt>From</dt><dd>${originWords(service)}</dd><dt>Takes</dt><dd>up to ${memoryWords(service)}${service.limits?.processes ? `, ${service.limits.processes} processes` : ""}</dd>
        <dt>Network</dt><dd>${networkWords(service)}</dd><dt>Walls</dt><dd>${{ off: "None", strict: "Strict" }[service.sandbox] ?? "Standard"}</dd></dl></div></aside>`;
}

function Form({ service }) {
    const [given, setGiven] = useState({ label: "", config: {}, credential: { text: "" }, mode: service.modes?.[0] ?? "dedicated", expires: "", sleeps: "", env: "", limits: limitsAsText(service.limits) });
    const [problem, setProblem] = useState(null);
    const [busy, setBusy] = useState(false);
    const set = (name) => (value) => setGiven((old) => ({ ...old, [name]: value }));
    const hasCredential = needsCredential(service);
    const stored = useCredentials(service.name);
    useEffect(() => {
        // Who has just connected an account means that; whoever has a credential for it already most likely means that one.
        const connected = stored.data?.find(({ id }) => id === new URLSearchParams(location.search).get("connected"));
        const likely = connected ?? stored.data?.[0];
        if (likely && !given.credential.text && !given.credential.id) set("credential")({ id: likely.id });
    }, [stored.data]);
    const create = async (event) => {
        event.preventDefault();
        setBusy(true);
        setProblem(null);
        try {
            const made = keep(await post("/mcps", body(service, given, hasCredential)));
            setGiven((old) => ({ ...old, credential: { text: "" } }));
            go(`/app/instances/${made.id}/connect`);
        } catch (problem) {
            setProblem(problem);
            setBusy(false);
        }
    };
    const field = fieldOf(problem);
    return html`<form class="stack" onSubmit=${create}>
        ${hasCredential && html`<${CredentialField} service=${service} value=${given.credential} onValue=${set("credential")} error=${field === "credential" ? problem.message : undefined} />`}
        <${ConfigFields} service=${service} values=${given.config} onValues=${set("config")} />
        <${Text} label="Name" optional value=${given.label} onText=${set("label")} maxlength="100" placeholder=${service.display_name} help="To tell it from your others" error=${field === "label" ? problem.message : undefined} />
        <${ModeChoice} service=${service} value=${given.mode} onText=${set("mode")} />
        <details class="more"><summary>Expiry, sleep, limits, environment</summary><div class="stack">
            <div class="columns"><${ExpiryField} value=${given.expires} onText=${set("expires")} /><${SleepField} value=${given.sleeps} onText=${set("sleeps")} /></div>
            <${LimitFields} values=${given.limits} onValues=${set("limits")} />
            <${Text} label="Environment" optional multiline rows="3" class="mono" value=${given.env} onText=${set("env")} placeholder="NAME=value" help="One variable per line; stored sealed" error=${field === "env" ? problem.message : undefined} /></div></details>
        <${Complaint} problem=${problem} />
        <div class="row"><button disabled=${busy} aria-busy=${busy}>${busy ? "Creating…" : "Create and start"}</button><a class="button quiet" href="/app/catalog">Cancel</a></div></form>`;
}

function body(service, { label, config, credential, mode, expires, sleeps, env, limits }, hasCredential) {
    const values = { service: service.name, label: label.trim(), mode, config: filled(config), env: variables(env) };
    if (hasCredential) values.credential = credential.id ? { id: credential.id } : { value: credential.text };
    if (JSON.stringify(limits) !== JSON.stringify(limitsAsText(service.limits))) values.limits = limitsOf(limits);
    if (expires) values.expires_in_minutes = Number(expires);
    if (sleeps) values.idle_seconds = Number(sleeps);
    return values;
}
