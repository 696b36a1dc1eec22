// Webhooks: where Berth posts what happens.
import { html, useState } from "../../lib.js";
import { del, get, post } from "../../api.js";
import { useResource } from "../../resource.js";
import { Act } from "../../parts/button.js";
import { Badge } from "../../parts/badge.js";
import { Text } from "../../parts/fields.js";
import { FormDialog, Once } from "../../parts/form-dialog.js";
import { Icon } from "../../parts/icon.js";
import { ask, Line, Section } from "../../parts/section.js";
import { Time } from "../../parts/time.js";
import { attempt, toast } from "../../parts/toast.js";

async function remove(hook, reload) {
    const text = html`<p>Nothing is posted to ${hook.url} any more, and what is on its way there is dropped.</p>`;
    if (await ask({ title: "Delete this webhook?", text, act: "Delete it", run: () => del(`/webhooks/${hook.id}`), done: "The webhook is deleted" })) reload();
}

async function test(hook, reload) {
    const tried = await attempt(() => post(`/webhooks/${hook.id}/test`));
    if (tried) toast(tried.delivered ? `It arrived: the receiver ${tried.status}` : `It did not arrive: ${tried.status}`, { tone: tried.delivered ? "good" : "bad" });
    reload();
}

function State({ hook }) {
    if (hook.disabled_at) return html`<${Badge} tone="bad" shape="cross" title="Nothing arrived for long">Disabled</${Badge}>`;
    if (hook.failing_since) return html`<${Badge} tone="warn" shape="triangle">Failing</${Badge}>`;
    return hook.last_at ? html`<${Badge} tone="good">Works</${Badge}>` : html`<${Badge} tone="off" shape="ring">Not used yet</${Badge}>`;
}

export default function Webhooks() {
    const hooks = useResource(async (abort) => (await get("/webhooks", { abort })).items);
    const [adding, setAdding] = useState(false);
    const [made, setMade] = useState(null);
    const add = html`<button class="quiet" onClick=${() => setAdding(true)}><${Icon} name="plus" /> Add a webhook</button>`;
    return html`<${Section} title="Webhooks" lead=${html`What you are told is posted to them, signed as <a href="https://www.standardwebhooks.com" target="_blank" rel="noopener">Standard Webhooks</a>. Which kinds, you say under <a href="/app/account/notifications" data-quiet>Notifications</a>.`} of=${hooks} action=${add} empty="None yet. Add the address of a program of yours that wants to know.">${(hook) => html`<${Line} key=${hook.id}
            title=${html`<code>${hook.url}</code>`} state=${html`<${State} hook=${hook} />`}
            about=${html`Added <${Time} at=${hook.created_at} />${hook.last_at ? html` · last post <${Time} at=${hook.last_at} />: ${hook.last_status}` : " · nothing posted yet"}${hook.failing_since && html` · failing since <${Time} at=${hook.failing_since} />`}`}>
            <${Act} class="quiet" act=${() => test(hook, hooks.reload)}>Test<span class="hidden"> ${hook.url}</span></${Act}><button class="danger quiet" onClick=${() => remove(hook, hooks.reload)}>Delete<span class="hidden"> ${hook.url}</span></button></${Line}>`}</${Section}>
        ${adding && html`<${Add} onClose=${() => setAdding(false)} onMade=${(secret) => { setMade(secret); hooks.reload(); }} />`}
        ${made && html`<${Once} title="The webhook’s secret" label="Secret" secret=${made} onClose=${() => setMade(null)}><p>The receiver checks with it that a message is from here.</p></${Once}>`}`;
}

function Add({ onClose, onMade }) {
    const [url, setUrl] = useState("");
    const [wrong, setWrong] = useState(null);
    const send = async () => onMade((await post("/webhooks", { url: url.trim() })).secret);
    const onProblem = (problem) => problem.message.startsWith("`url`") && (setWrong(problem.message.replace(/^`url`: /, "")), true);
    return html`<${FormDialog} title="Add a webhook" act="Add it" send=${send} onProblem=${onProblem} onClose=${onClose}><${Text} label="Address" type="url" value=${url} required error=${wrong} placeholder="https://example.com/hooks/berth" onText=${(text) => { setWrong(null); setUrl(text); }}
        help="It is stored sealed: what follows the host may be as good as a password" /></${FormDialog}>`;
}
