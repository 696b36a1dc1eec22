// Adding a service to the catalog: from the curated list, a package, an address, or what another program has.
import { html, useState } from "../lib.js";
import { post } from "../api.js";
import { fetchCatalog } from "../catalog.js";
import { go } from "../router.js";
import { fromPackage, fromUrl } from "../import-service.js";
import { Curated } from "./add/curated.js";
import { Import } from "./add/import.js";
import { Dialog } from "../parts/dialog.js";
import { Choice, Select, Text } from "../parts/fields.js";
import { Complaint, Note } from "../parts/states.js";
import { toast } from "../parts/toast.js";

const ways = [
    { value: "curated", name: "The curated list", help: "Well-known servers, checked" },
    { value: "package", name: "A package", help: "From npm or PyPI, at one version" },
    { value: "url", name: "A remote server", help: "One that runs elsewhere" },
    { value: "import", name: "A configuration", help: "Of a client, a server.json, a bundle" },
];
const empty = { kind: "npm", package: "", version: "", args: "", env: "", key: "", name: "", url: "", header: "" };

/** @param {{onClose: () => void}} props */
export function AddService({ onClose }) {
    const [way, setWay] = useState("curated");
    return html`<${Dialog} title="Add a service" onClose=${onClose} wide><div class="stack">
        <${Choice} label="From" value=${way} options=${ways} onText=${setWay} />
        ${way === "curated" && html`<${Curated} onClose=${onClose} />`}
        ${way === "import" && html`<${Import} onClose=${onClose} />`}
        ${(way === "package" || way === "url") && html`<${One} key=${way} way=${way} onClose=${onClose} />`}</div></${Dialog}>`;
}

/** One server, by its package or address. */
function One({ way, onClose }) {
    const [given, setGiven] = useState(empty);
    const [problem, setProblem] = useState(null);
    const [busy, setBusy] = useState(false);
    const set = (name) => (value) => setGiven((old) => ({ ...old, [name]: value }));
    const add = async (event) => {
        event.preventDefault();
        setProblem(null);
        setBusy(true);
        try {
            const made = await post("/services", way === "package" ? fromPackage(given) : fromUrl(given));
            await fetchCatalog();
            toast(`${made.display_name} is in the catalog`);
            onClose();
            go(`/app/catalog/${made.name}/new`);
        } catch (problem) {
            setProblem(problem);
            setBusy(false);
        }
    };
    return html`<form class="stack" onSubmit=${add}>
        ${way === "package" ? html`<${PackageFields} given=${given} set=${set} />` : html`<${Text} label="Address" value=${given.url} onText=${set("url")} placeholder="https://example.com/mcp" required help="Its Streamable HTTP endpoint" />
            <${Text} label="Name" value=${given.name} onText=${set("name")} optional />
            <${Text} label="Header for the credential" value=${given.header} onText=${set("header")} optional placeholder="Authorization" help="When it needs one: each user gives their own" />`}
        <${Note}>What is added here runs on this host, confined as every instance is.</${Note}>
        <${Complaint} problem=${problem} />
        <div class="row end"><button type="button" class="quiet" onClick=${onClose}>Cancel</button><button disabled=${busy}>${busy ? "One moment…" : "Add"}</button></div></form>`;
}

function PackageFields({ given, set }) {
    return html`<div class="columns"><${Select} label="Registry" value=${given.kind} options=${[["npm", "npm"], ["pypi", "PyPI"]]} onText=${set("kind")} />
            <${Text} label="Package" value=${given.package} onText=${set("package")} required placeholder=${given.kind === "npm" ? "@scope/server" : "mcp-server-time"} />
            <${Text} label="Version" value=${given.version} onText=${set("version")} required placeholder="1.2.3" /></div>
        <${Text} label="Arguments" value=${given.args} onText=${set("args")} optional />
        <${Text} label="Variable for the credential" value=${given.key} onText=${set("key")} optional placeholder="API_KEY" help="When it needs one: each user gives their own" />`;
}
