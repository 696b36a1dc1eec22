// Try a tool: a form from its input schema, its answer, how long it took.
import { html, useEffect, useRef, useState } from "../lib.js";
import { post } from "../api.js";
import { Badge } from "./badge.js";
import { Icon } from "./icon.js";
import { Select, Text } from "./fields.js";
import { SchemaFields, initialOf, read } from "./schema.js";
import { ToolResult } from "./tool-result.js";

/** Easiest first: what only reads, and asks for nothing. */
export function easiest(tools) {
    const effort = (tool) => (tool.annotations?.readOnlyHint ? 0 : 2) + (tool.inputSchema?.required?.length ?? 0);
    return tools.reduce((best, tool) => (!best || effort(tool) < effort(best) ? tool : best), null);
}

/** What a tool says of itself that its caller should know. */
export function Hints({ tool }) {
    const { readOnlyHint, destructiveHint } = tool.annotations ?? {};
    if (!readOnlyHint && !destructiveHint) return null;
    return html`<span class="row">${readOnlyHint && html`<${Badge} tone="off" shape="ring">Only reads</${Badge}>`}
        ${!readOnlyHint && destructiveHint && html`<${Badge} tone="warn" shape="triangle">May destroy</${Badge}>`}</span>`;
}

/** @param {{id: string, tool: any}} props */
export function ToolForm({ id, tool, onAnswer }) {
    const schema = tool.inputSchema ?? {};
    const [values, setValues] = useState(() => initialOf(schema));
    const [raw, setRaw] = useState(null);
    const [errors, setErrors] = useState({});
    const [outcome, setOutcome] = useState(null);
    const [busy, setBusy] = useState(false);
    const abort = useRef(null);
    useEffect(() => () => abort.current?.abort(), []);

    const asText = () => setRaw(JSON.stringify(read(schema, values).value ?? {}, null, 2));
    const argumentsOf = () => {
        if (raw === null) return read(schema, values);
        try {
            return { value: JSON.parse(raw || "{}") };
        } catch {
            return { errors: { "": "This is not JSON" } };
        }
    };
    const call = async (event) => {
        event.preventDefault();
        const { value, errors = {} } = argumentsOf();
        setErrors(errors);
        if (!value) return;
        setBusy(true);
        abort.current = new AbortController();
        const began = performance.now();
        const done = (outcome) => {
            setOutcome({ ...outcome, ms: performance.now() - began });
            setBusy(false);
            onAnswer?.(outcome);
        };
        try {
            done({ result: await post(`/mcps/${id}/tools/call`, { name: tool.name, arguments: value }, { abort: abort.current.signal }) });
        } catch (problem) {
            if (abort.current.signal.aborted) setBusy(false);
            else done({ problem });
        }
    };
    return html`<form class="stack" onSubmit=${call} data-tool=${tool.name}>
        <${Hints} tool=${tool} />
        ${tool.description && html`<p class="soft prose">${tool.description}</p>`}
        ${raw === null ? html`<${SchemaFields} schema=${schema} values=${values} errors=${errors} onChange=${setValues} />`
            : html`<${Text} label="Arguments" multiline rows="6" class="mono" value=${raw} error=${errors[""]} onText=${setRaw} />`}
        <div class="row"><button disabled=${busy} aria-busy=${busy}><${Icon} name="play" /> ${busy ? "Calling…" : `Call ${tool.title ?? tool.name}`}</button>
            ${busy && html`<button type="button" class="quiet" onClick=${() => abort.current.abort()}>Stop waiting</button>`}
            <button type="button" class="text" onClick=${() => (raw === null ? asText() : setRaw(null))}>${raw === null ? "As JSON" : "As form"}</button></div>
        <div aria-live="polite">${outcome && html`<${ToolResult} outcome=${outcome} />`}</div></form>`;
}

/** In place of tools that are somebody else's: an administrator manages an instance, and does not use it. */
export const NotYours = () => html`<p class="soft">Only its owner, and those with whom they share it, may call its tools.</p>`;

/** @param {{id: string, tools: any[], onAnswer?: () => void}} props */
export function TryTool({ id, tools, onAnswer }) {
    const [name, setName] = useState(() => easiest(tools)?.name);
    const tool = tools.find((tool) => tool.name === name) ?? tools[0];
    if (!tool) return html`<p class="soft">The server has no tools.</p>`;
    return html`<div class="stack"><${Select} label="Tool" value=${tool.name} options=${tools.map((tool) => [tool.name, tool.title ? `${tool.title} (${tool.name})` : tool.name])} onText=${setName} />
        <${ToolForm} key=${tool.name} id=${id} tool=${tool} onAnswer=${onAnswer} /></div>`;
}
