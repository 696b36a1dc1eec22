// Adding a service to the catalog: a package, an address, a configuration that one has, or a manifest.
import { html, useState } from "../lib.js";
import { post } from "../api.js";
import { fetchCatalog } from "../catalog.js";
import { go } from "../router.js";
import { fromJson, fromPackage, fromUrl } from "../import-service.js";
import { Dialog } from "../parts/dialog.js";
import { Choice, Select, Text } from "../parts/fields.js";
import { Complaint, Note } from "../parts/states.js";
import { toast } from "../parts/toast.js";

const ways = [
    { value: "package", name: "A package", help: "From npm or PyPI, at one version" },
    { value: "url", name: "A remote server", help: "One that runs elsewhere" },
    { value: "json", name: "A configuration", help: "mcpServers of a client, a server.json, or a manifest" },
];
const empty = { kind: "npm", package: "", version: "", args: "", env: "", key: "", name: "", url: "", header: "", text: "" };

function manifestsOf(way, given) {
    if (way === "package") return [fromPackage(given)];
    if (way === "url") return [fromUrl(given)];
    return fromJson(given.text);
}

export function AddService({ onClose }) {
    const [way, setWay] = useState("package");
    const [given, setGiven] = useState(empty);
    const [problem, setProblem] = useState(null);
    const [busy, setBusy] = useState(false);
    const set = (name) => (value) => setGiven((old) => ({ ...old, [name]: value }));
    const add = async (event) => {
        event.preventDefault();
        setProblem(null);
        setBusy(true);
        try {
            const manifests = manifestsOf(way, given);
            for (const manifest of manifests) await post("/services", manifest);
            await fetchCatalog();
            toast(manifests.length === 1 ? `${manifests[0].display_name} is in the catalog` : `${manifests.length} services are in the catalog`);
            onClose();
            if (manifests.length === 1) go(`/app/catalog/${manifests[0].name}/new`);
        } catch (problem) {
            setProblem(problem);
            setBusy(false);
        }
    };
    return html`<${Dialog} title="Add a service" onClose=${onClose} wide><form onSubmit=${add}>
        <${Choice} label="From" value=${way} options=${ways} onText=${setWay} />
        ${way === "package" && html`<${PackageFields} given=${given} set=${set} />`}
        ${way === "url" && html`<${Text} label="Address" value=${given.url} onText=${set("url")} placeholder="https://example.com/mcp" required help="Its Streamable HTTP endpoint" />
            <${Text} label="Name" value=${given.name} onText=${set("name")} optional />
            <${Text} label="Header for the credential" value=${given.header} onText=${set("header")} optional placeholder="Authorization" help="When it needs one: each user gives their own" />`}
        ${way === "json" && html`<${Text} label="Configuration" multiline rows="10" class="mono" value=${given.text} onText=${set("text")} required help="Secrets in it would be seen by all who may see the catalog: leave them out, and name a credential instead" />`}
        <${Note}>What is added here runs on this host, confined as every instance is.</${Note}>
        <${Complaint} problem=${problem} />
        <div class="row end"><button type="button" class="quiet" onClick=${onClose}>Cancel</button><button disabled=${busy}>${busy ? "One moment…" : "Add"}</button></div></form></${Dialog}>`;
}

function PackageFields({ given, set }) {
    return html`<div class="columns"><${Select} label="Registry" value=${given.kind} options=${[["npm", "npm"], ["pypi", "PyPI"]]} onText=${set("kind")} />
            <${Text} label="Package" value=${given.package} onText=${set("package")} required placeholder=${given.kind === "npm" ? "@scope/server" : "mcp-server-time"} />
            <${Text} label="Version" value=${given.version} onText=${set("version")} required placeholder="1.2.3" /></div>
        <${Text} label="Arguments" value=${given.args} onText=${set("args")} optional />
        <${Text} label="Variable for the credential" value=${given.key} onText=${set("key")} optional placeholder="API_KEY" help="When it needs one: each user gives their own" />`;
}
