// Settings: what can be known of them here. They are read when Berth starts; the API does not change them.
import { html } from "../../lib.js";
import { get } from "../../api.js";
import { useResource } from "../../resource.js";
import { Badge } from "../../parts/badge.js";
import { Card } from "../../parts/section.js";
import { Loaded, Note } from "../../parts/states.js";

const useKnown = () => useResource(async (abort) => {
    const [health, notices] = await Promise.all([get("/admin/health", { abort }), get("/me/notification-settings", { abort })]);
    return { health, mail: notices.mail };
});

const OnOff = ({ on, words }) => html`<${Badge} tone=${on ? "good" : "off"} shape=${on ? "dot" : "ring"}>${words}</${Badge}>`;

export default function Settings() {
    const known = useKnown();
    return html`<div class="stack"><${Note}>Berth reads its settings when it starts: from its command line, from variables named <code>BERTH_…</code>, and from <code>berth.toml</code>; the README names all of them. After a change, <code>berth restart</code> makes it hold.</${Note}>
        <div class="two"><${Card} title="Installation"><${Loaded} of=${known} what="What is set" rows=${4}>${({ health, mail }) => html`<dl class="facts">
            <dt>Address</dt><dd><code>${location.origin}</code></dd><dt>Version</dt><dd>${health.version}</dd>
            <dt>Ports for instances</dt><dd><code>${health.ports.range}</code></dd>
            <dt>Mail</dt><dd><${OnOff} on=${mail} words=${mail ? "Is sent" : "Is not sent"} /></dd></dl>`}</${Loaded}></${Card}>
        <${Card} title="Where the rest is"><ul class="stack tight plain-links"><li><a href="/app/admin/health" data-quiet>How limits hold on this machine</a></li><li><a href="/app/admin/groups" data-quiet>Quotas of groups</a>, <a href="/app/admin/users" data-quiet>of users</a></li>
            <li><a href="/app/admin/services" data-quiet>Services, and their OAuth clients</a></li><li><a href="/app/account/apps" data-quiet>OAuth clients of this Berth</a></li></ul></${Card}></div></div>`;
}
