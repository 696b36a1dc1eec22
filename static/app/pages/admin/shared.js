// Services that all instances share one process of, with these processes.
import { html } from "../../lib.js";
import { services } from "../../catalog.js";
import { StateBadge } from "../../parts/badge.js";
import { bytes, number } from "../../parts/format.js";
import { ServiceIcon } from "../../parts/icon.js";
import { Table } from "../../parts/table.js";

const columns = [
    { name: "Service", cell: (worker) => html`<span class="named"><${ServiceIcon} service=${services.value?.get(worker.service)} name=${worker.service} /><span><strong>${services.value?.get(worker.service)?.display_name ?? worker.service}</strong><span class="soft small">Process ${worker.number}</span></span></span>` },
    { name: "State", cell: (worker) => html`<span class="state-cell"><${StateBadge} state=${worker.state} />${worker.last_error && html`<span class="small bad-text">${worker.last_error}</span>`}</span>` },
    { name: "Instances", class: "tabular", cell: (worker) => number(worker.instances?.length ?? worker.instances) },
    { name: "Memory", class: "tabular", cell: (worker) => bytes(worker.memory_bytes) },
    { name: "Restarts", class: "tabular", cell: (worker) => number(worker.restarts) },
    { name: "PID", class: "tabular", cell: (worker) => (worker.pid ? html`<code>${worker.pid}</code>` : html`<span class="soft">—</span>`) },
    { name: "Port", class: "tabular", cell: (worker) => (worker.port ? html`<code>${worker.port}</code>` : html`<span class="soft">—</span>`) },
];

/** @param {{pools: any[]}} props */
export function Shared({ pools }) {
    const workers = pools.flatMap((pool) => pool.workers.map((worker) => ({ ...worker, service: pool.service })));
    return html`<section class="stack tight"><h2>Shared services</h2>${workers.length
        ? html`<${Table} caption="Shared services and their processes" columns=${columns} rows=${workers} id=${({ service, number }) => `${service} ${number}`} />`
        : html`<p class="soft">No shared service runs. One starts with the first instance that uses it.</p>`}</section>`;
}
