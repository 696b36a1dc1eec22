// Logs: live, searched, by level, to be kept as a file.
import { html, useMemo, useState } from "../../lib.js";
import { get, query as withQuery } from "../../api.js";
import { act } from "../../instances.js";
import { go } from "../../router.js";
import { Act } from "../../parts/button.js";
import { count } from "../../parts/format.js";
import { Icon } from "../../parts/icon.js";
import { LogLines, levelOf, useLog } from "../../parts/log-view.js";
import { Note } from "../../parts/states.js";
import { attempt } from "../../parts/toast.js";

const streams = { error: "What it writes", access: "Requests", debug: "Debug" };
const ranks = ["debug", "info", "warn", "error"];
const levels = [["debug", "All levels"], ["info", "Info and up"], ["warn", "Warnings and up"], ["error", "Errors"]];

async function download(view, stream) {
    const { lines } = await get(withQuery(`/mcps/${view.id}/logs`, { stream, tail: 10_000 }));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\n"), "\n"], { type: "text/plain" }));
    link.download = `${view.service}-${view.number}-${stream}.log`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export default function Logs({ view, query }) {
    const stream = streams[query.get("stream")] ? query.get("stream") : "error";
    const log = useLog(view.id, { stream });
    const [text, setText] = useState("");
    const [level, setLevel] = useState("debug");
    const [follow, setFollow] = useState(true);
    const [wrap, setWrap] = useState(true);
    const lines = useMemo(() => {
        if (!log.lines || (!text && level === "debug")) return log.lines;
        const least = ranks.indexOf(level);
        return log.lines.filter((line) => ranks.indexOf(levelOf(line)) >= least && line.toLowerCase().includes(text.toLowerCase()));
    }, [log.lines, text, level]);
    const show = (key) => go(withQuery(`/app/instances/${view.id}/logs`, { stream: key === "error" ? "" : key }), { replace: true, quiet: true });
    return html`<div class="stack"><div class="toolbar"><div class="pills" role="group" aria-label="Log">${Object.entries(streams).map(([key, label]) => html`<button key=${key} class="quiet" aria-pressed=${key === stream} onClick=${() => show(key)}>${label}</button>`)}</div>
            <div class="search"><${Icon} name="search" /><input type="search" aria-label="Search the log" placeholder="Search" value=${text} onInput=${(event) => setText(event.target.value)} /></div>
            ${stream === "error" && html`<select aria-label="Level" value=${level} onChange=${(event) => setLevel(event.target.value)}>${levels.map(([key, label]) => html`<option key=${key} value=${key} selected=${key === level}>${label}</option>`)}</select>`}
            <${Act} class="quiet" act=${() => attempt(() => download(view, stream))}><${Icon} name="download" /> Download</${Act}></div>
        ${stream === "debug" && html`<${Debugging} view=${view} />`}
        <section class="card"><header><h2>${streams[stream]}</h2><div class="row"><span class="soft small" role="status">${lines ? count(lines.length, "line") : ""}${lines && lines.length !== log.lines.length ? ` of ${log.lines.length}` : ""}</span>
            <button class="text" aria-pressed=${wrap} onClick=${() => setWrap(!wrap)}>${wrap ? "Do not wrap" : "Wrap"}</button><button class="text" aria-pressed=${follow} onClick=${() => setFollow(!follow)}>${follow ? "Stop following" : "Follow"}</button>
            ${log.open ? html`<span class="live small">Live</span>` : html`<span class="soft small">Not live</span>`}</div></header>
            <div class="body flush"><${LogLines} key=${stream} lines=${lines} problem=${log.problem} label=${streams[stream]} wrap=${wrap} follow=${follow} tall
                empty=${text || level !== "debug" ? "No line fits." : stream === "debug" ? "Nothing: it is written only while the instance is debugged." : "Nothing has been written yet."} /></div></section></div>`;
}

function Debugging({ view }) {
    const on = () => attempt(() => act(view.id, "debug", { minutes: 30 }), "It is debugged for 30 minutes");
    const off = () => attempt(() => act(view.id, "debug", { off: true }), "Debugging ends");
    return view.debug_until
        ? html`<${Note} tone="warn"><span class="row">Every message is noted, without its content. <${Act} class="quiet" act=${off}>End it</${Act}></span></${Note}>`
        : html`<${Note}><span class="row">Debugging says more, and starts the process anew. It ends by itself. <${Act} class="quiet" act=${on}>Debug for 30 minutes</${Act}></span></${Note}>`;
}
