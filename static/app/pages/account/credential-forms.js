// Adding, replacing and deleting a credential. A value lives in the state of the form until it is sent.
import { html, useState } from "../../lib.js";
import { del, post } from "../../api.js";
import { services } from "../../catalog.js";
import { nameOf } from "../../instances.js";
import { needsCredential } from "../../needs.js";
import { Linked } from "../../service-form.js";
import { Check, SecretText, Select, Text } from "../../parts/fields.js";
import { FormDialog } from "../../parts/form-dialog.js";
import { count } from "../../parts/format.js";
import { Icon } from "../../parts/icon.js";
import { ask, Card } from "../../parts/section.js";
import { Note } from "../../parts/states.js";
import { toast } from "../../parts/toast.js";

/** What people call a service. */
export const nameOfService = (name) => services.value?.get(name)?.display_name ?? name;

/** The last characters of a value; short ones have none that may be shown. */
export const hintOf = (hint) => (hint ? `…${hint}` : "sealed");
/** How one is told from others. */
export const nameOfCredential = (one) => [nameOfService(one.service), one.label || (one.hint && `…${one.hint}`)].filter(Boolean).join(" ");

/** Whether people sign in at the service, instead of pasting something. */
const isSignedIn = (service) => Boolean(service?.credential?.oauth);
const connectUrl = (service, label = "") => `/connect/${service.name}?${new URLSearchParams({ ...(label && { label }), next: "/app/account/credentials" })}`;

/** The services where one signs in, each with its link. */
export function Connects() {
    const some = [...(services.value?.values() ?? [])].filter(isSignedIn);
    if (!some.length) return null;
    return html`<${Card} title="Sign in at a service" lead="Berth keeps what comes of it fresh by itself"><div class="row">${some.map((service) => html`<a key=${service.name} class="button quiet" href=${connectUrl(service)}><${Icon} name="link" /> Connect ${service.display_name}</a>`)}</div></${Card}>`;
}

// What the service says of a value belongs beside the field.
function useChecked() {
    const [refused, setRefused] = useState(null);
    const [unasked, setUnasked] = useState(false);
    const [anyway, setAnyway] = useState(false);
    const onProblem = (problem) => {
        const isAboutValue = ["credential_refused", "check_unavailable"].includes(problem.code) || problem.message.startsWith("`value`");
        if (isAboutValue) setRefused(problem.message);
        if (problem.code === "check_unavailable") setUnasked(true);
        return isAboutValue;
    };
    const field = unasked && html`<${Check} label="Store it without asking the service" checked=${anyway} onCheck=${setAnyway} />`;
    return { refused, onProblem, field, clear: () => setRefused(null), validate: anyway ? { validate: false } : {} };
}

/** @param {{onClose: () => void, onMade: (credential: any) => void}} props */
export function AddCredential({ onClose, onMade }) {
    const some = [...(services.value?.values() ?? [])].filter(needsCredential).sort((a, b) => a.display_name.localeCompare(b.display_name));
    const [name, setName] = useState(some[0]?.name ?? "");
    const [label, setLabel] = useState("");
    const [value, setValue] = useState("");
    const checked = useChecked();
    const service = services.value?.get(name);
    const send = async () => {
        const made = await post("/credentials", { service: name, label: label.trim(), value, ...checked.validate });
        setValue("");
        toast(made.last_result === "valid" ? `${service.display_name} takes it; it is stored, sealed` : "It is stored, sealed");
        onMade(made);
    };
    const pick = (next) => {
        setName(next);
        setValue("");
        checked.clear();
    };
    if (!some.length) return html`<${FormDialog} title="Add a credential" act="Done" send=${async () => {}} onClose=${onClose}><p>No service of the catalog needs one.</p></${FormDialog}>`;
    const { help, check, label: what = "Credential" } = service.credential;
    return html`<${FormDialog} title="Add a credential" act="Store it" busy=${check ? `Asking ${service.display_name}…` : undefined} send=${send} onProblem=${checked.onProblem} onClose=${onClose}>
        <${Select} label="Service" value=${name} options=${some.map((one) => [one.name, one.display_name])} onText=${pick} />
        <${Text} label="Name" optional value=${label} onText=${setLabel} maxlength="100" help="To tell it from your others" />
        ${isSignedIn(service) && html`<div class="row"><a class="button" href=${connectUrl(service, label.trim())}><${Icon} name="link" /> Connect ${service.display_name}</a><span class="soft small">or paste an access token, which is not refreshed:</span></div>`}
        <${SecretText} label=${what} value=${value} required error=${checked.refused} help=${help && html`<${Linked} text=${help} />`} onText=${(text) => { checked.clear(); setValue(text); }} />
        ${checked.field}
        ${check && !checked.field && html`<p class="soft small">${service.display_name} is asked first whether it takes it.</p>`}</${FormDialog}>`;
}

const graces = [["0", "At once"], ["60", "After an hour"], ["1440", "After a day"], ["10080", "After a week"], ["43200", "After 30 days"]];

/** @param {{one: any, users: any[], onClose: () => void, onDone: () => void}} props */
export function Rotate({ one, users, onClose, onDone }) {
    const [value, setValue] = useState("");
    const [grace, setGrace] = useState("1440");
    const checked = useChecked();
    const service = services.value?.get(one.service);
    const send = async () => {
        await post(`/credentials/${one.id}/rotate`, { value, grace_minutes: Number(grace), ...checked.validate });
        setValue("");
        toast("It has a new value");
        onDone();
    };
    const about = users.length ? `What uses it (${count(users.length, "instance")}) takes the new value; calls that are under way end with the old one.` : "No instance uses it now.";
    return html`<${FormDialog} title=${`Replace ${nameOfCredential(one)}`} act="Replace" send=${send} onProblem=${checked.onProblem} onClose=${onClose}><p class="soft">${about}</p>
        <${SecretText} label=${`New: ${service?.credential?.label ?? "credential"}`} value=${value} required error=${checked.refused} onText=${(text) => { checked.clear(); setValue(text); }}
            help=${service?.credential?.check && `${service.display_name} is asked first whether it takes it`} />
        ${checked.field}<${Select} label="Forget the old value" value=${grace} options=${graces} onText=${setGrace} help="Until then it can be brought back" /></${FormDialog}>`;
}

/** Deletes one, saying what uses it. */
export async function remove(one, users, onDone) {
    const name = nameOfCredential(one);
    const list = html`<div class="stack tight"><p>It is erased for good; the service itself does not learn of it: revoke it there, too.</p>
        ${users.length > 0 && html`<${Note} tone="warn">${users.length === 1 ? "An instance uses it and is turned off:" : `${users.length} instances use it and are turned off:`}</${Note}><ul class="bullets">${users.map((view) => html`<li key=${view.id}>${nameOf(view, services.value)}</li>`)}</ul>`}</div>`;
    const run = () => del(`/credentials/${one.id}${users.length ? "?force=true" : ""}`);
    if (await ask({ title: `Delete ${name}?`, text: list, act: users.length ? "Turn off and delete" : "Delete it", run, done: `${name} is deleted` })) onDone();
}
