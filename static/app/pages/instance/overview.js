// Overview: whether it is well, what it uses, what holds it.
import { html, useState } from "../../lib.js";
import { get } from "../../api.js";
import { act } from "../../instances.js";
import { useResource } from "../../resource.js";
import { modes } from "../../needs.js";
import { restart } from "../../instance-actions.js";
import { Act } from "../../parts/button.js";
import { Badge } from "../../parts/badge.js";
import { Chart } from "../../parts/chart.js";
import { CopyLine } from "../../parts/copy.js";
import { CrashCard } from "../../parts/crash-card.js";
import { bytes, count, duration, number, words } from "../../parts/format.js";
import { Icon } from "../../parts/icon.js";
import { Menu } from "../../parts/menu.js";
import { Loaded, Note } from "../../parts/states.js";
import { Time, now } from "../../parts/time.js";
import { attempt } from "../../parts/toast.js";

const isUp = (view) => ["running", "unhealthy", "idle"].includes(view.status);

export default function Overview({ view, name }) {
    const stats = useResource((abort) => get(`/mcps/${view.id}/stats`, { abort }), [view.id, view.status], { every: 10_000 });
    return html`<div class="overview"><${Trouble} view=${view} name=${name} />
        <section class="card"><header><h2>Now</h2><${Health} view=${view} /></header><div class="body stack"><${Facts} view=${view} stats=${stats.data} name=${name} /></div></section>
        <${Loaded} of=${stats} what="What it uses" rows=${3}>${(data) => html`<${Charts} stats=${data} view=${view} /><${Limits} stats=${data} view=${view} />`}</${Loaded}>
        <${Walls} view=${view} /></div>`;
}

function Health({ view }) {
    const [tone, text] = { healthy: ["good", "Healthy"], unhealthy: ["warn", "Unhealthy"] }[view.health] ?? ["off", "Not checked yet"];
    return html`<${Badge} tone=${tone} shape=${tone === "good" ? "dot" : tone === "warn" ? "triangle" : "ring"}>${text}</${Badge}>`;
}

function Trouble({ view, name }) {
    const inTrouble = ["failed", "unhealthy", "restarting", "disconnected"].includes(view.status);
    const report = useResource(async (abort) => (inTrouble ? get(`/mcps/${view.id}/diagnose`, { abort }) : null), [view.id, view.status]);
    if (!inTrouble) return null;
    const findings = report.data?.findings ?? [];
    const actions = html`<a class="button" href=${`/app/instances/${view.id}/connect`}>Change and try again</a><${Act} class="quiet" act=${() => restart(view, name)}><${Icon} name="retry" /> Restart</${Act}>`;
    return html`${view.last_error && html`<${CrashCard} card=${view.last_error} actions=${view.status === "failed" && actions} />`}
        ${findings.map((finding) => html`<${Note} key=${finding.code} tone="warn"><p><strong>${words(finding.what)}</strong></p>${finding.evidence && html`<p><code>${finding.evidence}</code></p>`}<p>What to do: ${finding.fix}</p></${Note}>`)}`;
}

function Facts({ view, stats, name }) {
    const up = view.started_at && isUp(view);
    return html`<${CopyLine} text=${view.url} label="Address of the instance" />
        <dl class="facts two-facts">
            <dt>Up</dt><dd>${up ? html`<span title=${view.started_at}>${duration(now.value - new Date(view.started_at))}</span>` : "—"}</dd>
            <dt>Restarts</dt><dd>${number(view.restarts)}</dd>
            <dt>Processes</dt><dd>${modes[view.mode]?.name ?? view.mode}${view.pid ? html` <span class="soft">· process ${view.pid}</span>` : ""}</dd>
            <dt>Clients now</dt><dd>${stats ? number(stats.sessions) : "—"}</dd>
            <dt>Last used</dt><dd><${Time} at=${stats?.last_used} /></dd>
            <dt>Sleeps</dt><dd>${view.idle_seconds ? `after ${duration(view.idle_seconds * 1000)} without use` : "Never"}</dd>
            <dt>Expires</dt><dd><${Expiry} view=${view} name=${name} /></dd>
            ${view.debug_until && html`<dt>Debugged</dt><dd>until <${Time} at=${view.debug_until} /> · <${Act} class="text" act=${() => attempt(() => act(view.id, "debug", { off: true }), "Debugging ends")}>End</${Act}></dd>`}</dl>`;
}

const spans = [[60, "An hour from now"], [1440, "A day from now"], [10_080, "A week from now"], [43_200, "30 days from now"]];

function Expiry({ view, name }) {
    const left = view.expires_at ? new Date(view.expires_at) - now.value : null;
    const renew = (body) => attempt(() => act(view.id, "renew", body), `${name} is renewed`);
    return html`<span class="row">${left === null ? "Never" : left > 0 ? html`<span class="tabular ${left < 3_600_000 ? "warn-text" : ""}">in ${duration(left)}</span>` : "Has expired"}
        <${Menu} name="Renew" label=${html`<span class="menu-word">Renew <${Icon} name="down" size=${12} /></span>`}>${spans.map(([minutes, label]) => html`<button class="plain" key=${minutes} onClick=${() => renew({ expires_in_minutes: minutes })}>${label}</button>`)}
            <button class="plain" onClick=${() => renew({ never: true })}>Never</button></${Menu}></span>`;
}

function Charts({ stats, view }) {
    const [span, setSpan] = useState("recent");
    const recent = stats.recent.map((one) => ({ at: one.at, memory: one.memory_bytes, cpu: one.cpu_percent }));
    const hours = stats.hours.map((one) => ({ at: one.hour, memory: one.memory_avg_bytes, cpu: (one.cpu_seconds / 3600) * 100 })).sort((a, b) => (a.at < b.at ? -1 : 1));
    const points = span === "recent" ? recent : hours;
    if (!recent.length && !hours.length) return html`<section class="card"><header><h2>Memory and CPU</h2></header><div class="body"><p class="soft">Nothing has been measured yet; the first sample comes some seconds after a start.</p></div></section>`;
    return html`<section class="card"><header><h2>Memory and CPU</h2><div class="pills" role="group" aria-label="Time">
            ${[["recent", "Last minutes"], ["hours", "Last week"]].map(([key, label]) => html`<button class="quiet" key=${key} aria-pressed=${key === span} onClick=${() => setSpan(key)}>${label}</button>`)}</div></header>
        <div class="body charts">${points.length > 1 ? html`<${Chart} label="Memory" points=${points} of="memory" unit="bytes" limit=${view.limits.memory_bytes} /><${Chart} label="CPU, percent of one core" points=${points} of="cpu" unit="percent" limit=${view.limits.cpu_percent} />`
            : html`<p class="soft">There is one sample so far.</p>`}</div></section>`;
}

const limitNames = { memory: ["Memory", "memory_bytes", bytes], cpu: ["CPU", "cpu_percent", (value) => `${value} %`], processes: ["Processes", "processes", number], open_files: ["Open files", "open_files", number], disk: ["Disk", "disk_bytes", bytes], log: ["Logs", "log_bytes", bytes] };

function Limits({ stats, view }) {
    return html`<section class="card"><header><h2>Limits</h2><span class="soft small">and by what they hold here</span></header><div class="body flush"><ul class="limits">${view.limits_enforced.map(({ what, how, detail }) => {
        const [label, key, format] = limitNames[what] ?? [words(what), what, number];
        const limit = stats.limits[key];
        const used = stats.usage?.[key];
        const share = limit && used !== undefined ? Math.min(100, (used / limit) * 100) : 0;
        return html`<li key=${what}><span class="limit-name">${label}</span>
            <span class="limit-bar"><span class="bar ${share > 90 ? "bad" : share > 70 ? "warn" : ""}"><span style=${{ width: `${share}%` }}></span></span></span>
            <span class="tabular limit-figures">${used === undefined ? "—" : format(used)} <span class="soft">of ${limit ? format(limit) : "any"}</span></span>
            <span class="soft small limit-how" title=${detail}>${words(how)}</span></li>`;
    })}</ul></div></section>`;
}

function Walls({ view }) {
    if (!view.walls.length) return null;
    const stands = view.walls.filter(({ state }) => state === "stands").length;
    return html`<details class="card walls"><summary><h2>Walls</h2><span class="soft small">${count(stands, "stands", "stand")} of ${view.walls.length}</span></summary><div class="body"><dl class="facts">${view.walls.map(({ name, state, detail }) => html`
        <dt>${words(name)}</dt><dd><${Badge} tone=${{ stands: "good", missing: "bad" }[state] ?? "off"} shape=${state === "stands" ? "dot" : state === "missing" ? "cross" : "ring"}>${words(state)}</${Badge}> <span class="soft">${detail}</span></dd>`)}</dl></div></details>`;
}
