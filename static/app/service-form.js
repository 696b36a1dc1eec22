// What an owner decides of an instance: credential, fields of the manifest, mode, expiry. Used by Create, by Settings and
// by "change and try again". A secret lives in the state of the form until it is sent, and nowhere else.
import { html, useState } from "./lib.js";
import { get, post } from "./api.js";
import { useResource } from "./resource.js";
import { modes } from "./needs.js";
import { Act } from "./parts/button.js";
import { Choice, SecretText, Select, Text } from "./parts/fields.js";
import { Icon } from "./parts/icon.js";
import { Note } from "./parts/states.js";
import { Time } from "./parts/time.js";

/** Which field a problem is about: `config: …` names it in backquotes. */
export function fieldOf(problem) {
    if (!problem) return null;
    if (problem.code === "credential_refused" || problem.code === "check_unavailable") return "credential";
    return /^`(\w+)/.exec(problem.message)?.[1] ?? null;
}

/** Text with its addresses as links. */
export function Linked({ text }) {
    return text.split(/(https?:\/\/[^\s)]+[^\s).,;])/).map((part, at) => (at % 2 ? html`<a href=${part} target="_blank" rel="noopener">${part}</a>` : part));
}

/** The credentials of the account for a service. */
export const useCredentials = (service) =>
    useResource(async (abort) => (await get("/credentials", { abort })).items.filter((one) => one.service === service), [service]);

/**
 * @param {{service: any, value: {id?: string, text?: string}, onValue: (value: object) => void, error?: string}} props
 *   `value.id`: one that is stored; `value.text`: a new one
 */
export function CredentialField({ service, value, onValue, error }) {
    const stored = useCredentials(service.name);
    const [refused, setRefused] = useState(null);
    const [accepted, setAccepted] = useState(null);
    const { label = "Credential", help, check } = service.credential;
    const options = (stored.data ?? []).map((one) => [one.id, [one.label || label, one.hint && `…${one.hint}`].filter(Boolean).join(" ")]);
    const isNew = !value.id;
    const test = async () => {
        setRefused(null);
        try {
            const made = await post("/credentials", { service: service.name, value: value.text, validate: true });
            stored.set((old) => [made, ...(old ?? [])]);
            setAccepted(made);
            onValue({ id: made.id });
        } catch (problem) {
            setRefused(problem.message);
        }
    };
    const pick = (id) => {
        setAccepted(null);
        onValue(id === "new" ? { text: "" } : { id });
    };
    return html`<fieldset class="stack tight"><legend class="hidden">${label}</legend>
        ${options.length > 0 && html`<${Select} label=${label} value=${value.id ?? "new"} options=${[...options, ["new", "Another one…"]]} onText=${pick} />`}
        ${isNew && service.credential.oauth && html`<div class="row"><a class="button quiet" href=${`/connect/${service.name}?next=${encodeURIComponent(location.pathname)}`}><${Icon} name="link" /> Connect ${service.display_name}</a><span class="soft small">You sign in there, and Berth keeps its access fresh. Or paste an access token, which is not refreshed:</span></div>`}
        ${isNew && html`<${SecretText} label=${options.length ? `New: ${label}` : label} value=${value.text ?? ""} required error=${refused ?? error}
            help=${help && html`<${Linked} text=${help} />`} onText=${(text) => { setRefused(null); onValue({ text }); }} />`}
        ${isNew && check && html`<div class="row"><${Act} class="quiet" act=${test} disabled=${!value.text}>Test it</${Act}><span class="soft small">Asks ${service.display_name} whether it takes it, and keeps it, sealed.</span></div>`}
        ${accepted && html`<${Note} tone="good">${service.display_name} takes it. It is stored, sealed; ${accepted.hint ? html`only …${accepted.hint} is ever shown again.` : "it is never shown again."}</${Note}>`}
        ${!isNew && !accepted && html`<${LastTest} credential=${stored.data?.find((one) => one.id === value.id)} />`}</fieldset>`;
}

function LastTest({ credential }) {
    if (!credential?.last_tested_at) return null;
    const words = { valid: "Taken", refused: "Refused", unknown: "Could not be tried" }[credential.last_result] ?? credential.last_result;
    return html`<p class="help">${words} when it was last tried, <${Time} at=${credential.last_tested_at} />.</p>`;
}

/** The manifest's own fields. */
export function ConfigFields({ service, values, onValues, errors = {} }) {
    return (service.config ?? []).map((field) => html`<${Text} key=${field.name} label=${field.label || field.name} help=${field.help} optional=${!field.required}
        required=${field.required} placeholder=${field.default ?? ""} value=${values[field.name] ?? ""} error=${errors[field.name]}
        onText=${(text) => onValues({ ...values, [field.name]: text })} />`);
}

/** What was filled in; an empty field is as if it were not there. */
export const filled = (values) => Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ""));

/** The process mode, where there is a choice. */
export function ModeChoice({ service, value, onText }) {
    const options = (service.modes ?? ["dedicated"]).map((mode) => ({ value: mode, ...modes[mode] }));
    if (options.length < 2) return html`<div class="field"><span><strong>Processes</strong></span><p class="help"><${Icon} name="info" size=${14} /> ${options[0].name}: ${options[0].help}</p></div>`;
    return html`<${Choice} label="Processes" value=${value} options=${options} onText=${onText} />`;
}

const lifetimes = [["", "Never"], ["60", "In an hour"], ["1440", "In a day"], ["10080", "In a week"], ["43200", "In 30 days"]];

/** When it expires. @param {{value: string}} props minutes, as text */
export function ExpiryField({ value, onText, label = "Expires", help = "Then it stops, and you are told before. It can be renewed." }) {
    return html`<${Select} label=${label} value=${value} options=${lifetimes} onText=${onText} help=${help} />`;
}

const naps = [["", "As the service says"], ["0", "Never"], ["300", "After 5 minutes"], ["1800", "After 30 minutes"], ["14400", "After 4 hours"]];

/** When it sleeps. @param {{value: string}} props seconds, as text */
export function SleepField({ value, onText }) {
    const known = naps.some(([key]) => key === value) ? naps : [...naps, [value, `After ${value} s`]];
    return html`<${Select} label="Sleeps when nobody uses it" value=${value} options=${known} onText=${onText} help="Asleep it takes no memory; the next request wakes it." />`;
}

const MIB = 1024 * 1024;
const limitFields = [
    ["memory_bytes", "Memory, MiB", MIB], ["cpu_percent", "CPU, percent of one core", 1], ["processes", "Processes", 1],
    ["open_files", "Open files per process", 1], ["disk_bytes", "Disk, MiB", MIB],
];

/** Limits as the text of their fields. */
export const limitsAsText = (limits = {}) => Object.fromEntries(limitFields.map(([key, , unit]) => [key, limits[key] === undefined ? "" : String(Math.round(limits[key] / unit))]));

/** The limits that the fields say. */
export const limitsOf = (values) => Object.fromEntries(limitFields.filter(([key]) => values[key] !== "").map(([key, , unit]) => [key, Number(values[key]) * unit]));

/** @param {{values: Record<string, string>, onValues: (values: object) => void}} props */
export function LimitFields({ values, onValues }) {
    return html`<fieldset class="stack tight"><legend><strong>Limits</strong></legend><div class="columns">${limitFields.map(([key, label]) => html`<${Text} key=${key} label=${label} inputmode="numeric" pattern="[0-9]*" value=${values[key]} placeholder="No limit" onText=${(text) => onValues({ ...values, [key]: text })} />`)}</div>
        <p class="help">An owner may set them lower than the service has them; an administrator also higher.</p></fieldset>`;
}
