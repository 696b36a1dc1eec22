// Dialogs that give access: a token for a program, a share for a person.
import { html, useState } from "../../lib.js";
import { post } from "../../api.js";
import { count } from "../../parts/format.js";
import { CopyLine } from "../../parts/copy.js";
import { Dialog } from "../../parts/dialog.js";
import { Check, Select, Text } from "../../parts/fields.js";
import { Complaint, Note } from "../../parts/states.js";
import { toast } from "../../parts/toast.js";

const lifetimes = [["", "Never"], ["1", "In a day"], ["7", "In a week"], ["30", "In 30 days"], ["90", "In 90 days"], ["365", "In a year"]];

/** Sends a form once: what is under way, what went wrong. */
function useSending(send) {
    const [busy, setBusy] = useState(false);
    const [problem, setProblem] = useState(null);
    const submit = async (event) => {
        event.preventDefault();
        setBusy(true);
        setProblem(null);
        try {
            await send();
        } catch (problem) {
            setProblem(problem);
        }
        setBusy(false);
    };
    return { busy, problem, submit };
}

const Reach = ({ tools }) => tools?.length > 0 && html`<${Note}>It may call ${count(tools.length, "tool")}: ${tools.join(", ")}. All others are denied.</${Note}>`;

/** @param {{view: any, name: string, tools?: string[], onClose: () => void, onMade?: (token: any) => void}} props */
export function NewToken({ view, name, tools, onClose, onMade }) {
    const [label, setLabel] = useState("");
    const [days, setDays] = useState("90");
    const [readOnly, setReadOnly] = useState(false);
    const [made, setMade] = useState(null);
    const { busy, problem, submit } = useSending(async () => {
        const body = { name: label, instances: [view.id], read_only: readOnly };
        if (tools?.length) body.tools = tools;
        if (days) body.expires_in_days = Number(days);
        const token = await post("/tokens", body);
        setMade(token.token);
        onMade?.(token);
    });
    if (made) {
        return html`<${Dialog} title="Your new token" onClose=${onClose}><${Note} tone="good">Copy it now: it is shown only here, and only this once.</${Note}><${CopyLine} text=${made} label="Token" /><div class="row end"><button onClick=${onClose}>Done</button></div></${Dialog}>`;
    }
    return html`<${Dialog} title=${`A token for ${name}`} onClose=${onClose}><form onSubmit=${submit}><${Reach} tools=${tools} />
        <${Text} label="Name" value=${label} onText=${setLabel} required maxlength="100" placeholder="What uses it" />
        <${Select} label="Expires" value=${days} options=${lifetimes} onText=${setDays} />
        ${!tools?.length && html`<${Check} label="May only look" help="It sees the tools, and calls none" checked=${readOnly} onCheck=${setReadOnly} />`}
        <${Complaint} problem=${problem} /><div class="row end"><button type="button" class="quiet" onClick=${onClose}>Cancel</button><button disabled=${busy}>Make it</button></div></form></${Dialog}>`;
}

/** @param {{view: any, name: string, tools?: string[], onClose: () => void, onMade?: () => void}} props */
export function NewShare({ view, name, tools, onClose, onMade }) {
    const [email, setEmail] = useState("");
    const [days, setDays] = useState("30");
    const [readOnly, setReadOnly] = useState(false);
    const { busy, problem, submit } = useSending(async () => {
        const body = { email, read_only: readOnly };
        if (tools?.length) body.tools = tools;
        if (days) body.expires_in_days = Number(days);
        await post(`/mcps/${view.id}/shares`, body);
        toast(`${name} is shared with ${email}`);
        onMade?.();
        onClose();
    });
    return html`<${Dialog} title=${`Share ${name}`} onClose=${onClose}><form onSubmit=${submit}><${Note} tone="warn">Whoever you share it with acts with your credential.</${Note}><${Reach} tools=${tools} />
        <${Text} label="E-mail" type="email" value=${email} onText=${setEmail} required help="Of an account here" />
        <${Select} label="Ends" value=${days} options=${lifetimes} onText=${setDays} />
        ${!tools?.length && html`<${Check} label="May only look" help="They see the tools, and call none" checked=${readOnly} onCheck=${setReadOnly} />`}
        <${Complaint} problem=${problem} /><div class="row end"><button type="button" class="quiet" onClick=${onClose}>Cancel</button><button disabled=${busy}>Share</button></div></form></${Dialog}>`;
}
