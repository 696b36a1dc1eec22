// What another program has: a configuration of a client, a `server.json`, an MCPB bundle. Berth says first what would
// come of it; what is secret in it goes into the vault, and leaves the form once it is sent.
import { html, useState } from "../../lib.js";
import { post, query } from "../../api.js";
import { fetchCatalog } from "../../catalog.js";
import { Check, Field, Text } from "../../parts/fields.js";
import { count } from "../../parts/format.js";
import { Complaint, Note } from "../../parts/states.js";
import { toast } from "../../parts/toast.js";

const ask = ({ file, text, create }, preview) =>
    file ? post(query("/services/import", { preview, create }), file) : post("/services/import", { source: text, preview, create });

/** What becomes, or became, of one server. */
function Outcome({ item }) {
    const words = { new: "will be added", exists: "is in the catalog already", added: "was added", refused: "was refused", not_runnable: "cannot run here" };
    const missing = item.needs.filter((need) => need.required && !need.given).map(({ name }) => name);
    return html`<li><strong>${item.service ?? item.source}</strong> <span class="soft">${words[item.status] ?? item.status}${item.reason ? `: ${item.reason}` : ""}</span>
        ${missing.length > 0 && html`<span class="soft small">Still to be given: ${missing.join(", ")}</span>`}
        ${item.notes.map((note) => html` <span class="soft small">${note}</span>`)}</li>`;
}

/** @param {{onClose: () => void}} props */
export function Import({ onClose }) {
    const [given, setGiven] = useState({ text: "", file: null, create: true });
    const [seen, setSeen] = useState(null);
    const [problem, setProblem] = useState(null);
    const [busy, setBusy] = useState(false);
    const change = (values) => {
        setGiven((old) => ({ ...old, ...values }));
        setSeen(null);
    };
    const send = async (event) => {
        event.preventDefault();
        setProblem(null);
        setBusy(true);
        try {
            const { items } = await ask(given, !seen);
            if (seen) await taken(items);
            else setSeen(items);
        } catch (problem) {
            setProblem(problem);
        }
        setBusy(false);
    };
    const taken = async (items) => {
        const failed = items.filter(({ status, code }) => status === "refused" || code);
        await fetchCatalog();
        setGiven({ text: "", file: null, create: true });
        if (failed.length) return setSeen(items);
        toast(`${count(items.filter(({ service }) => service).length, "service")} in the catalog`);
        onClose();
    };
    const able = seen?.filter(({ runnable }) => runnable).length;
    return html`<form class="stack" onSubmit=${send}>
        <${Text} label="Configuration" multiline rows="8" class="mono" value=${given.text} onText=${(text) => change({ text, file: null })} placeholder=${'{ "mcpServers": { … } }'} help="Of Claude, Cursor or VS Code, or a server.json. Secrets in it go into the vault." />
        <${Field} label="Or a file" help="The same as a file, or an MCPB bundle">${(props) => html`<input ...${props} type="file" accept=".json,.mcpb,.dxt" onChange=${async (event) => {
            const [file] = event.target.files;
            if (file) change(file.name.endsWith(".json") ? { text: await file.text(), file: null } : { file, text: "" });
        }} />`}</${Field}>
        <${Check} label="Make instances for me, too" help="With the secrets that it has" checked=${given.create} onCheck=${(create) => change({ create })} />
        ${seen && html`<${Note}><ul class="bullets">${seen.map((item) => html`<${Outcome} key=${item.source} item=${item} />`)}</ul></${Note}>`}
        <${Complaint} problem=${problem} />
        <div class="row end"><button type="button" class="quiet" onClick=${onClose}>Cancel</button><button disabled=${busy || (!given.text && !given.file) || able === 0}>${busy ? "One moment…" : seen ? `Add ${count(able, "service")}` : "See what it has"}</button></div></form>`;
}
