// Access: who and what can call it, and taking that away.
import { html, useState } from "../../lib.js";
import { del, get, me } from "../../api.js";
import { useResource } from "../../resource.js";
import { Badge } from "../../parts/badge.js";
import { confirm } from "../../parts/dialog.js";
import { count, words } from "../../parts/format.js";
import { Icon } from "../../parts/icon.js";
import { Loaded } from "../../parts/states.js";
import { Time, now } from "../../parts/time.js";
import { toast } from "../../parts/toast.js";
import { NewShare, NewToken } from "./giving.js";

const reach = ({ tools, read_only: readOnly }) => (readOnly ? "May only look" : tools ? count(tools.length, "tool") : "All tools");
const isOver = (at) => at && new Date(at) <= now.value;

export default function Access({ view, name }) {
    const isOwner = view.owner === me.value?.id;
    return html`<div class="stack">${isOwner && html`<${Tokens} view=${view} name=${name} /><${Apps} view=${view} />`}<${Shares} view=${view} name=${name} isOwner=${isOwner} /><${Clients} view=${view} /></div>`;
}

function Section({ title, lead, of, action, empty, children }) {
    return html`<section class="card"><header><div><h2>${title}</h2><p class="soft small">${lead}</p></div>${action}</header><div class="body flush"><${Loaded} of=${of} what=${title} rows=${1}>${(items) => (items.length
        ? html`<ul class="lines">${items.map(children)}</ul>` : html`<p class="soft pad">${empty}</p>`)}</${Loaded}></div></section>`;
}

/** One line: what, about it, and taking it away. */
function Line({ title, about, ask, act, run, onDone, state }) {
    const end = async () => {
        if (await confirm({ ...ask, act, danger: true, run })) {
            toast(ask.done);
            onDone();
        }
    };
    return html`<li class="line"><div class="line-text"><span class="row"><strong>${title}</strong>${state}</span><span class="soft small">${about}</span></div>
        ${run && html`<button class="danger quiet" onClick=${end}>${act}<span class="hidden"> ${title}</span></button>`}</li>`;
}

function Tokens({ view, name }) {
    const [making, setMaking] = useState(false);
    const tokens = useResource(async (abort) => (await get("/tokens", { abort })).items.filter((token) => !token.revoked_at && !isOver(token.expires_at) && (!token.instances || token.instances.includes(view.id))), [view.id]);
    const action = html`<button class="quiet" onClick=${() => setMaking(true)}><${Icon} name="plus" /> New token</button>`;
    return html`<${Section} title="Tokens" lead="For programs, and for clients that do not sign in by themselves" of=${tokens} action=${action} empty="No token reaches this instance.">${(token) => html`<${Line} key=${token.id}
            title=${token.name || `…${token.hint}`} state=${!token.instances && html`<${Badge} tone="warn" shape="triangle">All your instances</${Badge}>`}
            about=${html`${reach(token)} · …${token.hint} · ${token.last_used_at ? html`used <${Time} at=${token.last_used_at} />` : "never used"} · ${token.expires_at ? html`expires <${Time} at=${token.expires_at} />` : "does not expire"}`}
            act="Revoke" run=${() => del(`/tokens/${token.id}`)} onDone=${tokens.reload}
            ask=${{ title: `Revoke ${token.name || `…${token.hint}`}?`, text: html`<p>What is under way with it ends, and it is refused from now on. This cannot be undone.</p>`, done: "The token is revoked" }} />`}</${Section}>
        ${making && html`<${NewToken} view=${view} name=${name} onClose=${() => setMaking(false)} onMade=${tokens.reload} />`}`;
}

function Apps({ view }) {
    const grants = useResource(async (abort) => (await get("/grants", { abort })).items.filter((grant) => grant.instance === view.id && !grant.revoked_at && !isOver(grant.expires_at)), [view.id]);
    return html`<${Section} title="Connected apps" lead="Clients that signed in, and what you have allowed them" of=${grants} empty="No app has signed in yet.">${(grant) => html`<${Line} key=${grant.id} title=${grant.client_name}
        about=${html`${grant.tools ? count(grant.tools.length, "tool") : grant.scopes.join(", ")} · allowed <${Time} at=${grant.created_at} /> · ${grant.last_used_at ? html`used <${Time} at=${grant.last_used_at} />` : "never used"}`}
        act="Disconnect" run=${() => del(`/grants/${grant.id}`)} onDone=${grants.reload}
        ask=${{ title: `Disconnect ${grant.client_name}?`, text: html`<p>Its next request is refused. It can ask you again.</p>`, done: `${grant.client_name} is disconnected` }} />`}</${Section}>`;
}

function Shares({ view, name, isOwner }) {
    const [making, setMaking] = useState(false);
    const shares = useResource(async (abort) => (await get(`/mcps/${view.id}/shares`, { abort })).items, [view.id]);
    const action = isOwner && html`<button class="quiet" onClick=${() => setMaking(true)}><${Icon} name="plus" /> Share</button>`;
    return html`<${Section} title="Shares" lead="People who may use it as it is, with your credential" of=${shares} action=${action} empty="It is shared with nobody.">${(share) => html`<${Line} key=${share.id} title=${share.email}
            state=${share.is_over && html`<${Badge} tone="off" shape="ring">Over</${Badge}>`} about=${html`${reach(share)} · since <${Time} at=${share.created_at} />${share.expires_at && html` · ends <${Time} at=${share.expires_at} />`}`}
            act="End" run=${() => del(`/mcps/${view.id}/shares/${share.id}`)} onDone=${shares.reload}
            ask=${{ title: `End the share with ${share.email}?`, text: html`<p>What they have under way ends at once.</p>`, done: `${share.email} cannot use it any more` }} />`}</${Section}>
        ${making && html`<${NewShare} view=${view} name=${name} onClose=${() => setMaking(false)} onMade=${shares.reload} />`}`;
}

function Clients({ view }) {
    const sessions = useResource(async (abort) => (await get("/sessions", { abort })).items.filter((one) => one.instance === view.id), [view.id], { every: 5000 });
    return html`<${Section} title="Clients now" lead="Sessions that are open; each may hold a process of its own" of=${sessions} empty="No client has a session open.">${(one) => html`<${Line} key=${one.id} title=${html`<code>${one.id.slice(0, 8)}…</code>`}
        state=${one.streaming && html`<${Badge} tone="good">Listening</${Badge}>`} about=${html`${one.version ? `MCP ${one.version}` : words(one.era)} · opened <${Time} at=${one.opened_at} /> · seen <${Time} at=${one.last_seen} />`}
        act="End" run=${() => del(`/sessions/${one.id}`)} onDone=${sessions.reload}
        ask=${{ title: "End this session?", text: html`<p>The client has to open another one. In the mode of one process per client its process and files go, too.</p>`, done: "The session has ended" }} />`}</${Section}>`;
}
