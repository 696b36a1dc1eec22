// What is given to a user or a group: figures and services, to be changed.
import { html, useState } from "../../lib.js";
import { patch } from "../../api.js";
import { services } from "../../catalog.js";
import { Check, Text } from "../../parts/fields.js";
import { Card } from "../../parts/section.js";
import { Complaint } from "../../parts/states.js";
import { toast } from "../../parts/toast.js";

const MIB = 1_048_576;
/** Name, words, unit of each figure. */
const figures = [
    ["instances", "Instances", 1, "0: none"],
    ["running", "Processes at a time", 1],
    ["memory_bytes", "Memory, MiB", MIB],
    ["calls_per_day", "Calls per day", 1],
    ["creations_per_hour", "New instances per hour", 1],
    ["calls_per_second", "Calls per second", 1],
    ["service_calls_per_second", "To one service, per second", 1],
    ["token_calls_per_second", "With one token, per second", 1],
];

const textsOf = (quota) => Object.fromEntries(figures.map(([name, , unit]) => [name, quota?.[name] === undefined || quota[name] === null ? "" : String(quota[name] / unit)]));

/** What is to be sent of it: figures that are other than before, `null` for those that are taken away. */
function changesOf(of, texts, limited, chosen) {
    const before = textsOf(of.quota);
    const quota = {};
    for (const [name, , unit] of figures) {
        if (texts[name] !== before[name]) quota[name] = texts[name] === "" ? null : Math.round(Number(texts[name]) * unit);
    }
    const changes = Object.keys(quota).length ? { quota } : {};
    const list = limited ? [...chosen].sort() : null;
    if (JSON.stringify(list) !== JSON.stringify(of.services ? [...of.services].sort() : null)) changes.services = list;
    return changes;
}

/** @param {{title: string, lead: string, path: string, of: any, onDone: () => void}} props */
export function Entitlement({ title, lead, path, of, onDone }) {
    const [texts, setTexts] = useState(() => textsOf(of.quota));
    const [limited, setLimited] = useState(Boolean(of.services));
    const [chosen, setChosen] = useState(() => new Set(of.services ?? []));
    const [problem, setProblem] = useState(null);
    const [busy, setBusy] = useState(false);
    const changes = changesOf(of, texts, limited, chosen);
    const isChanged = Object.keys(changes).length > 0;
    const save = async (event) => {
        event.preventDefault();
        setBusy(true);
        setProblem(null);
        try {
            await patch(path, changes);
            toast("It holds from the next request on");
            onDone();
        } catch (problem) {
            setProblem(problem);
        }
        setBusy(false);
    };
    const discard = () => {
        setTexts(textsOf(of.quota));
        setLimited(Boolean(of.services));
        setChosen(new Set(of.services ?? []));
    };
    const pick = (name, isIn) => setChosen((old) => new Set(isIn ? [...old, name] : [...old].filter((one) => one !== name)));
    return html`<${Card} title=${title} lead=${lead}><form class="stack entitlement" onSubmit=${save}><div class="columns">${figures.map(([name, words, , help]) => html`<${Text} key=${name} label=${words} inputmode="numeric" pattern="[0-9]*" value=${texts[name]} placeholder="As others" help=${help ?? "0: no limit"} onText=${(text) => setTexts((old) => ({ ...old, [name]: text }))} />`)}</div>
        <${Check} label="Only some services" help="Otherwise, all that others may use" checked=${limited} onCheck=${setLimited} />
        ${limited && html`<fieldset class="pick-list pick-grid"><legend class="hidden">Services</legend>${[...(services.value?.values() ?? [])].map((one) => html`<${Check} key=${one.name} label=${one.display_name} checked=${chosen.has(one.name)} onCheck=${(isIn) => pick(one.name, isIn)} />`)}</fieldset>`}
        <${Complaint} problem=${problem} />
        <div class="row"><button disabled=${busy || !isChanged}>${busy ? "Saving…" : "Save"}</button>${isChanged && html`<button type="button" class="text" onClick=${discard}>Discard</button>`}</div></form></${Card}>`;
}
