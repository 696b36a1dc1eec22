// What a tool has answered: text, pictures, sound, resources, JSON, errors.
import { html } from "../lib.js";
import { CopyBlock } from "./copy.js";
import { Icon } from "./icon.js";
import { Badge } from "./badge.js";

const MOST = 200_000;
const pretty = (value) => JSON.stringify(value, null, 2);

function textOf(text) {
    const trimmed = text.trim();
    if (!/^[[{]/.test(trimmed)) return text;
    try {
        return pretty(JSON.parse(trimmed));
    } catch {
        return text;
    }
}

function Part({ part }) {
    switch (part.type) {
        case "text": return html`<${Long} text=${textOf(part.text ?? "")} label="Text" />`;
        case "image": return html`<figure class="result-media"><img src=${`data:${part.mimeType};base64,${part.data}`} alt="Picture that the tool answered" /></figure>`;
        case "audio": return html`<audio controls src=${`data:${part.mimeType};base64,${part.data}`}></audio>`;
        case "resource_link": return html`<p><${Icon} name="link" /> <strong>${part.title ?? part.name}</strong> <code>${part.uri}</code></p>`;
        case "resource": return part.resource?.mimeType?.startsWith("image/") && part.resource.blob
            ? html`<${Part} part=${{ type: "image", mimeType: part.resource.mimeType, data: part.resource.blob }} />`
            : html`<p class="soft small"><code>${part.resource?.uri}</code></p><${Long} text=${part.resource?.text ?? pretty(part.resource)} label="Resource" />`;
        default: return html`<${Long} text=${pretty(part)} label="Part of another kind" />`;
    }
}

function Long({ text, label }) {
    const cut = text.length > MOST;
    return html`<${CopyBlock} text=${cut ? text.slice(0, MOST) : text} label=${label} />${cut && html`<p class="soft small">The first ${MOST.toLocaleString()} of ${text.length.toLocaleString()} characters.</p>`}`;
}

/** @param {{outcome: {result?: any, problem?: any, ms: number}}} props */
export function ToolResult({ outcome }) {
    const { result, problem, ms } = outcome;
    const took = html`<span class="soft small tabular">${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms</span>`;
    if (problem) {
        return html`<div class="result stack tight"><div class="row"><${Badge} tone="bad" shape="cross">Failed</${Badge}>${took}</div><p class="bad-text">${problem.message}</p></div>`;
    }
    const parts = result.content ?? [];
    const failed = result.isError;
    const spoken = parts.length === 1 && parts[0].type === "text" ? textOf(parts[0].text ?? "") : null;
    const structured = result.structuredContent && pretty(result.structuredContent);
    return html`<div class="result stack tight"><div class="row"><${Badge} tone=${failed ? "bad" : "good"} shape=${failed ? "cross" : "dot"}>${failed ? "The tool reports an error" : "Answered"}</${Badge}>${took}</div>
        ${parts.map((part, at) => html`<${Part} key=${at} part=${part} />`)}
        ${structured && structured !== spoken && html`<details class="more"><summary>Structured content</summary><${CopyBlock} text=${structured} label="Structured content" /></details>`}
        ${!parts.length && !structured && html`<p class="soft">It answered nothing.</p>`}</div>`;
}
