// Tools: what it can do, each to be tried; and a choice of them to give to a program or a person.
import { html, useState } from "../../lib.js";
import { get, me } from "../../api.js";
import { isComing } from "../../instances.js";
import { MainAction } from "../../instance-actions.js";
import { useResource } from "../../resource.js";
import { count } from "../../parts/format.js";
import { Icon } from "../../parts/icon.js";
import { Empty, Loaded, Note } from "../../parts/states.js";
import { Hints, NotYours, ToolForm } from "../../parts/try-tool.js";
import { NewShare, NewToken } from "./giving.js";

export default function Tools({ view, name }) {
    const isUp = ["running", "idle", "unhealthy"].includes(view.status);
    const isOwner = view.owner === me.value?.id;
    const tools = useResource(async (abort) => (isUp && isOwner ? (await get(`/mcps/${view.id}/tools`, { abort })).tools : null), [view.id, isUp, isOwner]);
    if (!isOwner) return html`<${NotYours} />`;
    if (!isUp) {
        const action = isComing(view) ? html`<a class="button quiet" href=${`/app/instances/${view.id}/connect`}>See it start</a>` : html`<${MainAction} view=${view} name=${name} />`;
        return html`<${Empty} icon="tool" title=${isComing(view) ? "It is starting" : "It does not run"} action=${action}>Its tools are known when it answers.</${Empty}>`;
    }
    return html`<${Loaded} of=${tools} what="Its tools">${(all) => (all?.length ? html`<${List} view=${view} name=${name} all=${all} />` : html`<${Empty} icon="tool" title="It has no tools">The server offers none.</${Empty}>`)}</${Loaded}>`;
}

function List({ view, name, all }) {
    const [text, setText] = useState("");
    const [chosen, setChosen] = useState(() => new Set());
    const [giving, setGiving] = useState(null);
    const shown = all.filter((tool) => `${tool.name} ${tool.title ?? ""} ${tool.description ?? ""}`.toLowerCase().includes(text.toLowerCase()));
    const pick = (tool, isIn) => setChosen((old) => {
        const next = new Set(old);
        if (isIn) next.add(tool);
        else next.delete(tool);
        return next;
    });
    const reading = () => setChosen(new Set(all.filter((tool) => tool.annotations?.readOnlyHint).map(({ name }) => name)));
    const hasReading = all.some((tool) => tool.annotations?.readOnlyHint);
    return html`<div class="stack"><div class="toolbar"><div class="search"><${Icon} name="search" /><input type="search" aria-label="Search its tools" placeholder="Search" value=${text} onInput=${(event) => setText(event.target.value)} /></div>
            <span class="soft">${count(shown.length, "tool")}</span>${hasReading && html`<button class="text" onClick=${reading}>Choose those that only read</button>`}</div>
        ${chosen.size > 0 ? html`<div class="choice-bar row"><strong>${count(chosen.size, "tool")} chosen</strong><button class="quiet" onClick=${() => setGiving("token")}><${Icon} name="key" /> Token for these alone</button>
            <button class="quiet" onClick=${() => setGiving("share")}><${Icon} name="account" /> Share these alone</button><button class="text" onClick=${() => setChosen(new Set())}>Clear</button></div>`
            : html`<${Note}>All tools may be called by you. Choose some to make a token, or a share, that may call only those; all others are denied to it.</${Note}>`}
        <ul class="tool-list">${shown.map((tool) => html`<${Tool} key=${tool.name} id=${view.id} tool=${tool} isIn=${chosen.has(tool.name)} pick=${pick} />`)}</ul>
        ${giving === "token" && html`<${NewToken} view=${view} name=${name} tools=${[...chosen]} onClose=${() => setGiving(null)} />`}
        ${giving === "share" && html`<${NewShare} view=${view} name=${name} tools=${[...chosen]} onClose=${() => setGiving(null)} />`}</div>`;
}

function Tool({ id, tool, isIn, pick }) {
    const [open, setOpen] = useState(false);
    return html`<li class="tool"><label class="tool-pick"><input type="checkbox" checked=${isIn} onChange=${(event) => pick(tool.name, event.target.checked)} /><span class="hidden">Choose ${tool.name}</span></label>
        <details onToggle=${(event) => setOpen(event.target.open)}><summary><code>${tool.name}</code><span class="soft tool-about">${tool.title ?? (tool.description ?? "").split("\n")[0]}</span><${Hints} tool=${tool} /></summary>
            ${open && html`<div class="tool-body"><${ToolForm} id=${id} tool=${tool} /></div>`}</details></li>`;
}
