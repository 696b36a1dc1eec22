// Health: the host, what runs on it, and how limits hold.
import { html } from "../../lib.js";
import { get } from "../../api.js";
import { useResource } from "../../resource.js";
import { Badge, StateBadge } from "../../parts/badge.js";
import { bytes, duration, number, words } from "../../parts/format.js";
import { Card } from "../../parts/section.js";
import { Loaded, Note } from "../../parts/states.js";
import { Table } from "../../parts/table.js";
import { Shared } from "./shared.js";

export default function Health() {
    const health = useResource((abort) => get("/admin/health", { abort }), [], { every: 5000 });
    return html`<${Loaded} of=${health} what="The health of the host" rows=${6}>${(now) => html`<div class="stack">
        ${health.problem && html`<${Note} tone="warn">These figures are old: ${health.problem.message}.</${Note}>`}<${Head} now=${now} />
        <div class="two"><${Host} now=${now} /><${Instances} now=${now} /></div><div class="two"><${Processes} now=${now} /><${Traffic} now=${now} /></div>
        <${Shared} pools=${now.shared} /><${Limits} /></div>`}</${Loaded}>`;
}

function Head({ now }) {
    const isFine = now.status === "ok";
    const state = now.draining ? ["warn", "triangle", "Stopping"] : isFine ? ["good", "dot", "Well"] : ["bad", "cross", "Degraded"];
    const figures = [
        ["State", html`<${Badge} tone=${state[0]} shape=${state[1]}>${state[2]}</${Badge}>`],
        ["Version", now.version],
        ["Up for", duration(now.uptime_seconds * 1000)],
        ["Database", now.database.ok ? `answers in ${now.database.answered_in_ms.toFixed(1)} ms` : html`<span class="bad-text">${now.database.detail}</span>`],
        ["Ports", `${number(now.ports.leased)} taken of ${now.ports.range}`],
    ];
    return html`<dl class="tiles">${figures.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** A figure with a bar of how much of it is taken. */
function Share({ title, used, total, about }) {
    const share = total ? used / total : 0;
    const tone = share >= 0.95 ? "bad" : share >= 0.85 ? "warn" : "";
    return html`<li class="meter"><span>${title}</span><span class="bar ${tone}" aria-hidden="true"><span style=${{ width: `${Math.min(1, share) * 100}%` }}></span></span>
        <span class="tabular meter-figures"><span><strong>${bytes(used)}</strong> <span class="soft">of ${bytes(total)}</span></span>${about && html`<span class="soft small">${about}</span>`}</span></li>`;
}

function Host({ now }) {
    const { memory, disk, load, berth_memory_bytes: own } = now.host;
    const loads = Array.isArray(load) ? load : load && Object.values(load);
    return html`<${Card} title="Host"><ul class="meters">
        ${memory && html`<${Share} title="Memory" used=${memory.total_bytes - memory.available_bytes} total=${memory.total_bytes} about=${`${bytes(own)} Berth, ${bytes(now.processes.memory_bytes)} instances`} />`}
        ${disk && html`<${Share} title="Disk" used=${disk.total_bytes - disk.free_bytes} total=${disk.total_bytes} about=${`${bytes(disk.free_bytes)} free`} />`}
        ${loads && html`<li class="meter"><span>Load</span><span></span><span class="tabular meter-figures"><strong>${loads.map((one) => Number(one).toFixed(2)).join(" · ")}</strong><span class="soft small">1, 5 and 15 minutes</span></span></li>`}</ul></${Card}>`;
}

function Instances({ now }) {
    const states = Object.entries(now.instances).sort((a, b) => b[1] - a[1]);
    return html`<${Card} title="Instances" action=${html`<a class="button quiet" href="/app/admin/instances" data-quiet>See all</a>`}>${states.length
        ? html`<ul class="state-list">${states.map(([state, count]) => html`<li key=${state}><a href=${`/app/admin/instances?state=${state}`}><${StateBadge} state=${state} /><span class="tabular">${number(count)}</span></a></li>`)}</ul>`
        : html`<p class="soft">None yet.</p>`}</${Card}>`;
}

const Figures = ({ rows }) => html`<dl class="facts figures">${rows.map(([name, value]) => html`<dt>${name}</dt><dd class="tabular">${number(value)}</dd>`)}</dl>`;

function Processes({ now }) {
    const of = now.processes;
    return html`<${Card} title="Processes"><${Figures} rows=${[["Running", of.children], ["Control groups", of.control_groups], ["Started since Berth came up", of.starts_total], ["Started anew after they ended", of.restarts_total], ["Orphans that were reaped", of.orphans_total]]} /></${Card}>`;
}

function Traffic({ now }) {
    const of = now.queues;
    return html`<${Card} title="Traffic"><${Figures} rows=${[["Sessions open", of.sessions], ["Calls under way", of.calls_in_flight], ["Calls that wait for a start", of.calls_parked], ["Streams that listen", of.listen_streams], ["Database readers busy", of.database_readers_busy], ["Database writers busy", of.database_writers_busy], ["Refused: too much at a time", of.overloaded_total], ["Refused: too often", of.rate_limited_total]]} /></${Card}>`;
}

const hows = { "by cgroup": ["good", "dot"], "by wall": ["good", "dot"], "by rlimit": ["good", "dot"], "by sampling": ["warn", "triangle"], "not available": ["bad", "cross"] };
const limitColumns = [
    { name: "Limit", cell: (line) => html`<strong>${line.what === "cpu" ? "CPU" : words(line.what)}</strong>` },
    { name: "Holds", cell: (line) => html`<${Badge} tone=${hows[line.how]?.[0] ?? "off"} shape=${hows[line.how]?.[1] ?? "ring"}>${words(line.how)}</${Badge}>` },
    { name: "How", class: "wide", cell: (line) => html`<span class="soft">${line.detail}</span>` },
];

function Limits() {
    const limits = useResource(async (abort) => (await get("/admin/limits", { abort })).items);
    return html`<section class="stack tight"><h2>How limits hold on this machine</h2><${Loaded} of=${limits} what="How limits hold">${(items) => html`<${Table} caption="How limits hold on this machine" columns=${limitColumns} rows=${items} id=${({ what }) => what} />`}</${Loaded}></section>`;
}
