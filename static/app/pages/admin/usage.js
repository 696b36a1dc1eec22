// Usage: calls per day, by user and by service, as lines and as tables.
import { html, useMemo } from "../../lib.js";
import { get, query as path } from "../../api.js";
import { services } from "../../catalog.js";
import { useResource } from "../../resource.js";
import { go } from "../../router.js";
import { Chart } from "../../parts/chart.js";
import { count, number } from "../../parts/format.js";
import { Icon } from "../../parts/icon.js";
import { Card } from "../../parts/section.js";
import { Empty, Loaded } from "../../parts/states.js";
import { Table } from "../../parts/table.js";

const spans = [["7", "7 days"], ["30", "30 days"], ["90", "90 days"], ["365", "A year"]];
const day = (at) => at.toISOString().slice(0, 10);
// Days are those of UTC, as they are counted.
const daysOf = (span) => Array.from({ length: span }, (_, at) => day(new Date(Date.now() - (span - 1 - at) * 86_400_000)));
const fetchBy = (group_by, from) => async (abort) => (await get(path("/usage", { from, group_by }), { abort })).items;
const nameOf = (name) => services.value?.get(name)?.display_name ?? name;
const millis = (value) => (value === null || value === undefined ? "—" : `${value < 10 ? value.toFixed(1) : number(Math.round(value))} ms`);
const failed = (sum) => (sum.errors ? html`<span class="warn-text">${number(sum.errors)}</span>` : html`<span class="soft">0</span>`);

export default function Usage({ query }) {
    const span = spans.some(([key]) => key === query.get("days")) ? query.get("days") : "30";
    const user = query.get("user") ?? "";
    const service = query.get("service") ?? "";
    const days = useMemo(() => daysOf(Number(span)), [span]);
    const byUser = useResource(fetchBy("user", days[0]), [span]);
    const byService = useResource(fetchBy("service", days[0]), [span]);
    const kind = ["day", user && "user", service && "service"].filter(Boolean).join(",");
    const daily = useResource(fetchBy(kind, days[0]), [span, kind]);
    const search = (values) => {
        const next = new URLSearchParams(Object.entries({ days: span, user, service, ...values }).filter(([name, value]) => value && !(name === "days" && value === "30")));
        go(`/app/admin/usage${next.size ? `?${next}` : ""}`, { replace: true, quiet: true });
    };
    const pick = (name, value, options) => html`<select aria-label=${options[0][1]} value=${value} onChange=${(event) => search({ [name]: event.target.value })}>${options.map(([key, words]) => html`<option key=${key} value=${key} selected=${key === value}>${words}</option>`)}</select>`;
    const users = [["", "All users"], ...(byUser.data ?? []).map((sum) => [sum.user, sum.email])];
    const names = [["", "All services"], ...(byService.data ?? []).map((sum) => [sum.service, nameOf(sum.service)])];
    return html`<div class="toolbar filters">${pick("days", span, spans)}${pick("user", user, users)}${pick("service", service, names)}<span class="grow"></span>
            <a class="button quiet" href=${path("/api/v1/usage", { from: days[0], format: "csv" })} download="berth-usage.csv"><${Icon} name="download" /> Export CSV</a></div>
        <${Loaded} of=${daily} what="The usage" rows=${6}>${(sums) => html`<${Days} days=${days} sums=${sums.filter((sum) => (!user || sum.user === user) && (!service || sum.service === service))} />`}</${Loaded}>
        <div class="two usage-tables"><${By} title="By user" of=${byUser} id="user" name=${(sum) => html`<a href=${`/app/admin/users/${sum.user}`}>${sum.email}</a>`} />
            <${By} title="By service" of=${byService} id="service" name=${(sum) => nameOf(sum.service)} /></div>`;
}

const dayColumns = [
    { name: "Day (UTC)", cell: (sum) => html`<strong class="tabular">${sum.day}</strong>` },
    { name: "Calls", class: "tabular", cell: (sum) => number(sum.calls) },
    { name: "Failed", class: "tabular", cell: failed },
    { name: "Half within", class: "tabular", cell: (sum) => millis(sum.latency_p50_ms) },
    { name: "95 % within", class: "tabular", cell: (sum) => millis(sum.latency_p95_ms) },
];

function Days({ days, sums }) {
    const points = useMemo(() => {
        const known = new Map(sums.map((sum) => [sum.day, sum]));
        return days.map((at) => ({ at: `${at}T00:00:00Z`, calls: known.get(at)?.calls ?? 0, errors: known.get(at)?.errors ?? 0 }));
    }, [days, sums]);
    if (!sums.length) return html`<${Empty} icon="clock" title="No calls in these days">What is called is counted here, per user, service and day.</${Empty}>`;
    const total = sums.reduce((all, sum) => all + sum.calls, 0);
    const errors = sums.reduce((all, sum) => all + sum.errors, 0);
    const rows = [...sums].sort((a, b) => (a.day < b.day ? 1 : -1));
    return html`<${Card} title=${count(total, "call")} lead=${errors ? `${count(errors, "of them failed", "of them failed")}` : "None of them failed"}><div class="charts"><${Chart} label="Calls per day" points=${points} of="calls" unit="number" /><${Chart} label="Failed calls per day" points=${points} of="errors" unit="number" /></div>
        <details class="more"><summary>As a table</summary><${Table} caption="Calls per day" columns=${dayColumns} rows=${rows} id=${(sum) => sum.day} /></details></${Card}>`;
}

function By({ title, of, id, name }) {
    return html`<section class="stack tight"><h2>${title}</h2><${Loaded} of=${of} what=${title} rows=${3}>${(sums) => {
        if (!sums.length) return html`<p class="soft">Nothing was called.</p>`;
        const rows = [...sums].sort((a, b) => b.calls - a.calls);
        const columns = [
            { name: title.slice(3).replace(/^./, (first) => first.toUpperCase()), cell: name },
            { name: "Calls", class: "calls-cell tabular", cell: (sum) => html`<span class="calls"><span>${number(sum.calls)}</span><span class="bar" aria-hidden="true"><span style=${{ width: `${(sum.calls / rows[0].calls) * 100}%` }}></span></span></span>` },
            { name: "Failed", class: "tabular", cell: failed },
            { name: "95 % within", class: "tabular", cell: (sum) => millis(sum.latency_p95_ms) },
        ];
        return html`<${Table} caption=${title} columns=${columns} rows=${rows} id=${(sum) => sum[id]} />`;
    }}</${Loaded}></section>`;
}
