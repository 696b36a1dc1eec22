// Connected: the address, how each client is given it, and a tool to try. Until it runs, its start.
import { html, useEffect, useState } from "../lib.js";
import { get, me, post, query } from "../api.js";
import { live } from "../live.js";
import { isComing, nameOf } from "../instances.js";
import { needCatalog, services } from "../catalog.js";
import { Title } from "../outlet.js";
import { useInstance } from "../one.js";
import { useResource } from "../resource.js";
import { clients, serverName } from "../snippets.js";
import { StartView } from "../start-view.js";
import { Act } from "../parts/button.js";
import { StateBadge } from "../parts/badge.js";
import { CopyBlock, CopyLine } from "../parts/copy.js";
import { Icon, ServiceIcon } from "../parts/icon.js";
import { Loaded, Note } from "../parts/states.js";
import { NotYours, TryTool } from "../parts/try-tool.js";
import { complain } from "../parts/toast.js";

export default function Connect({ params }) {
    needCatalog();
    const one = useInstance(params.id);
    if (one.data) return html`<${Page} view=${one.data} />`;
    return html`<${Title} back=${{ href: "/app/", name: "Instances" }} text="Instance" /><${Loaded} of=${one} what="This instance">${() => null}</${Loaded}>`;
}

function Page({ view }) {
    const service = services.value?.get(view.service);
    const name = nameOf(view, services.value);
    const [wasComing] = useState(isComing(view));
    const isUp = ["running", "idle", "unhealthy"].includes(view.status);
    const actions = html`<${StateBadge} state=${view.status} /><a class="button quiet" href=${`/app/instances/${view.id}`}>To the instance</a>`;
    return html`<${Title} back=${{ href: `/app/instances/${view.id}`, name }} actions=${actions} text=${isUp ? `Connect ${name}` : `Starting ${name}`}><span class="title-icon"><${ServiceIcon} service=${service} name=${view.service} /> ${isUp ? `Connect ${name}` : view.status === "failed" ? `${name} failed` : `Starting ${name}`}</span></${Title}>
        ${isUp ? html`<div class="connect">${wasComing && html`<${Note} tone="good">It runs. Give its address to a client, or try a tool here.</${Note}>`}<${Ready} view=${view} /></div>`
            : html`<${StartView} view=${view} service=${service} />`}`;
}

function Ready({ view }) {
    const isOwner = view.owner === me.value?.id;
    const tools = useResource(async (abort) => (isOwner ? (await get(`/mcps/${view.id}/tools`, { abort })).tools : []), [view.id, isOwner]);
    return html`<section class="card"><header><h2>Address</h2></header><div class="body stack">
            <${CopyLine} text=${view.url} label="Address of the instance" /><${FirstClient} id=${view.id} /></div></section>
        <div class="two"><${Clients} view=${view} />
        <section class="card" id="try"><header><h2>Try a tool</h2></header><div class="body">${isOwner ? html`<${Loaded} of=${tools} what="Its tools">${(tools) => html`<${TryTool} id=${view.id} tools=${tools} />`}</${Loaded}>` : html`<${NotYours} />`}</div></section></div>`;
}

/** Waits for the first client: what comes by the MCP endpoint is in the access log. */
function FirstClient({ id }) {
    const [seen, setSeen] = useState(null);
    useEffect(() => {
        const isClient = (line) => / (GET|POST) (mcp|sse|messages) .*status=2/.test(line);
        const look = async () => {
            const { lines } = await get(query(`/mcps/${id}/logs`, { stream: "access", tail: 200 })).catch(() => ({ lines: [] }));
            if (lines.some(isClient)) setSeen("before");
        };
        look();
        return live(query(`/mcps/${id}/logs/stream`, { stream: "access" }), { message: (line) => isClient(line) && setSeen((old) => old ?? "now") }, { json: false, opened: look });
    }, [id]);
    return html`<p class="first-client ${seen ? "good-text" : "soft"}" role="status">${seen
        ? html`<${Icon} name="check" /> ${seen === "now" ? "A client is connected." : "A client has connected."}`
        : html`<span class="pulse" aria-hidden="true"></span> Waiting for the first client to connect…`}</p>`;
}

function Clients({ view }) {
    const isLocal = /^http:|\/\/(localhost|127\.)/.test(view.url);
    const [at, setAt] = useState(isLocal ? "claude-code" : "claude");
    const [token, setToken] = useState(null);
    const client = clients.find(({ id }) => id === at);
    const name = serverName(view);
    const make = () => post("/tokens", { name: `${client.name}: ${name}`, instances: [view.id] }).then((made) => setToken(made.token), complain);
    return html`<section class="card"><header><h2>Connect a client</h2></header><div class="body stack">
        <div class="pills" role="group" aria-label="Client">${clients.map(({ id, name }) => html`<button key=${id} class="quiet" aria-pressed=${id === at} onClick=${() => setAt(id)}>${name}</button>`)}</div>
        ${at === "claude" && isLocal && html`<${Note} tone="warn">Claude on the web reaches only public https addresses; this one is not. Claude Desktop on this computer can use it.</${Note}>`}
        ${client.steps(name, view.url).map((step, index) => html`<${Step} key=${`${at}${index}`} step=${step} />`)}
        ${client.token && (token ? html`<${Note} tone="good">This token is for this instance alone. It is shown only now: copy it before you leave.</${Note}><${CopyLine} text=${token} label="Token" />`
            : html`<div class="row"><${Act} class="quiet" act=${make}><${Icon} name="key" /> Make a token for it</${Act}></div>`)}
        ${!client.token && html`<p class="soft small">The client signs in here by itself: you are asked what it may do.</p>`}</div></section>`;
}

function Step({ step }) {
    const isWeb = step.link?.href.startsWith("https:");
    return html`<div class="stack tight">${step.text && html`<p>${step.text}</p>`}
        ${step.link && html`<div class="row"><a class="button quiet" href=${step.link.href} target=${isWeb ? "_blank" : undefined} rel="noopener">${step.link.name}</a></div>`}
        ${step.code && html`<${CopyBlock} text=${step.code} label="To copy" />`}</div>`;
}
