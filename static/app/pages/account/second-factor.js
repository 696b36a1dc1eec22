// The second factor: set up with an app, confirmed by a code, taken away.
import { html, useEffect, useState } from "../../lib.js";
import { ask, me, post } from "../../api.js";
import { CopyBlock, CopyLine } from "../../parts/copy.js";
import { Dialog } from "../../parts/dialog.js";
import { SecretText, Text } from "../../parts/fields.js";
import { FormDialog } from "../../parts/form-dialog.js";
import { Failure, Loading, Note } from "../../parts/states.js";
import { toast } from "../../parts/toast.js";

const codeField = { inputmode: "numeric", autocomplete: "one-time-code", class: "mono code-field", required: true };

/** @param {{onClose: () => void}} props */
export function Enrol({ onClose }) {
    const [begun, setBegun] = useState(null);
    const [problem, setProblem] = useState(null);
    const [recovery, setRecovery] = useState(null);
    useEffect(() => {
        post("/me/totp").then(setBegun, setProblem);
    }, []);
    if (recovery) return html`<${Recovery} codes=${recovery} onClose=${onClose} />`;
    if (!begun) return html`<${Dialog} title="Set up a second factor" onClose=${onClose}>${problem ? html`<${Failure} problem=${problem} />` : html`<${Loading} rows=${4} />`}</${Dialog}>`;
    return html`<${Confirm} begun=${begun} onClose=${onClose} onDone=${setRecovery} />`;
}

function Confirm({ begun, onClose, onDone }) {
    const [code, setCode] = useState("");
    const [wrong, setWrong] = useState(null);
    const send = async () => {
        const { recovery_codes: codes } = await post("/me/totp/confirm", { code: code.replace(/\s/g, "") });
        me.value = { ...me.value, totp: true };
        onDone(codes);
        return "stay";
    };
    const onProblem = (problem) => problem.code === "wrong_code" && (setWrong("That code is not right; is the clock of your phone?"), true);
    return html`<${FormDialog} title="Set up a second factor" act="Turn it on" send=${send} onProblem=${onProblem} onClose=${onClose}>
        <ol class="enrol"><li><p>Scan this with an authenticator app on your phone:</p><img class="qr" src=${begun.qr} alt="QR code with the secret that is written below" />
            <details class="more"><summary>It cannot be scanned</summary><div class="stack tight"><p class="soft small">Type this secret into the app instead; the codes are by time, with 6 digits.</p><${CopyLine} text=${begun.secret} label="Secret" /></div></details></li>
        <li><${Text} label="The code that the app shows" value=${code} error=${wrong} maxlength="7" onText=${(text) => { setWrong(null); setCode(text); }} ...${codeField} /></li></ol></${FormDialog}>`;
}

function Recovery({ codes, onClose }) {
    const [sure, setSure] = useState(false);
    return html`<${Dialog} title="Your recovery codes" onClose=${() => sure && onClose()}><${Note} tone="good">The second factor is on.</${Note}>
        <p>Each of these signs you in once when you have lost your phone. Keep them where you keep passwords: they are shown only now.</p>
        <${CopyBlock} text=${codes.join("\n")} label="Recovery codes" />
        <label class="check"><input type="checkbox" checked=${sure} onChange=${(event) => setSure(event.target.checked)} /><span>I have kept them</span></label>
        <div class="row end"><button disabled=${!sure} onClick=${onClose}>Done</button></div></${Dialog}>`;
}

/** @param {{onClose: () => void}} props */
export function RemoveCode({ onClose }) {
    const [password, setPassword] = useState("");
    const [code, setCode] = useState("");
    const [wrong, setWrong] = useState({});
    const has = me.value.has_password;
    const send = async () => {
        await ask("DELETE", "/me/totp", { ...(has && { password }), code: code.replace(/\s/g, "") });
        me.value = { ...me.value, totp: false };
        toast("The second factor is gone");
    };
    const onProblem = (problem) => {
        if (problem.code === "wrong_password") setWrong({ password: "That is not your password" });
        else if (problem.code === "wrong_code") setWrong({ code: "That code is not right" });
        else return false;
        return true;
    };
    return html`<${FormDialog} title="Remove the second factor?" act="Remove it" danger send=${send} onProblem=${onProblem} onClose=${onClose}>
        <p>Your password alone will sign you in again. Its recovery codes are worth nothing then.</p>
        ${has && html`<${SecretText} label="Password" autocomplete="current-password" value=${password} required error=${wrong.password} onText=${setPassword} />`}
        <${Text} label="Code of the app, or a recovery code" value=${code} error=${wrong.code} onText=${setCode} ...${{ ...codeField, inputmode: "text" }} /></${FormDialog}>`;
}
