// The curated list: well-known servers whose launch was checked; one click puts one into the catalog.
import { html, useState } from "../../lib.js";
import { get, post } from "../../api.js";
import { fetchCatalog } from "../../catalog.js";
import { credentialWords } from "../../needs.js";
import { useResource } from "../../resource.js";
import { go } from "../../router.js";
import { Act } from "../../parts/button.js";
import { Text } from "../../parts/fields.js";
import { ServiceIcon } from "../../parts/icon.js";
import { Empty, Loaded } from "../../parts/states.js";
import { toast } from "../../parts/toast.js";

const wordsOf = ({ manifest, categories }) => `${manifest.name} ${manifest.display_name} ${manifest.description} ${categories.join(" ")}`.toLowerCase();

/** What was seen when it was checked. */
function checkedWords({ outcome, tools }) {
    if (outcome === "answers") return `${tools} tools`;
    return outcome === "needs_its_service" ? "Starts only with its service" : "Elsewhere; not checked";
}

/** @param {{onClose: () => void}} props */
export function Curated({ onClose }) {
    const list = useResource((abort) => get("/catalog", { abort }), []);
    const [text, setText] = useState("");
    const add = async ({ manifest }) => {
        const made = await post("/services", { from: manifest.name });
        await fetchCatalog();
        toast(`${made.display_name} is in the catalog`);
        onClose();
        go(`/app/catalog/${made.name}/new`);
    };
    const fits = (entry) => text.toLowerCase().split(/\s+/).every((word) => wordsOf(entry).includes(word));
    return html`<${Text} label="Search" type="search" value=${text} onText=${setText} placeholder="postgres, browser, mail …" />
        <${Loaded} of=${list} what="The curated list">${({ items }) => html`<${Entries} entries=${items.filter(fits)} add=${add} />`}</${Loaded}>`;
}

function Entries({ entries, add }) {
    if (!entries.length) return html`<${Empty} icon="search" title="Nothing fits">A package or an address can be added without being listed.</${Empty}>`;
    return html`<ul class="curated">${entries.map((entry) => html`<li key=${entry.manifest.name}><${ServiceIcon} service=${entry.manifest} />
        <span class="service-text"><strong>${entry.manifest.display_name}</strong><span class="soft">${entry.manifest.description}</span>
            <span class="soft small">${credentialWords(entry.manifest)} · ${checkedWords(entry.checked)} · <a href=${entry.homepage} target="_blank" rel="noopener">Home page</a></span></span>
        ${entry.added ? html`<span class="soft small">In the catalog</span>` : html`<${Act} class="quiet" aria-label=${`Add ${entry.manifest.display_name}`} act=${() => add(entry)}>Add</${Act}>`}</li>`)}</ul>`;
}
