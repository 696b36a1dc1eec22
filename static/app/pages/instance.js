// One instance: its heading and its tabs. Each tab is a module of its own.
import { html } from "../lib.js";
import { needCatalog, services } from "../catalog.js";
import { nameOf } from "../instances.js";
import { useModule } from "../module.js";
import { useInstance } from "../one.js";
import { Title } from "../outlet.js";
import { MainAction, MoreActions } from "../instance-actions.js";
import { StateBadge } from "../parts/badge.js";
import { ServiceIcon } from "../parts/icon.js";
import { Failure, Loaded, Loading } from "../parts/states.js";
import { Tabs } from "../parts/tabs.js";

const tabs = [
    { id: "overview", name: "Overview", load: () => import("./instance/overview.js") },
    { id: "tools", name: "Tools", load: () => import("./instance/tools.js") },
    { id: "logs", name: "Logs", load: () => import("./instance/logs.js") },
    { id: "credentials", name: "Credentials", load: () => import("./instance/credentials.js") },
    { id: "access", name: "Access", load: () => import("./instance/access.js") },
    { id: "settings", name: "Settings", load: () => import("./instance/settings.js") },
    { id: "history", name: "History", load: () => import("./instance/history.js") },
];

export default function Instance({ params, query }) {
    needCatalog();
    const one = useInstance(params.id);
    const tab = params.tab ?? "overview";
    if (!one.data) return html`<${Title} back=${{ href: "/app/", name: "Instances" }} text="Instance" /><${Loaded} of=${one} what="This instance">${() => null}</${Loaded}>`;
    const view = one.data;
    const service = services.value?.get(view.service);
    const name = nameOf(view, services.value);
    const actions = html`<${StateBadge} state=${view.status} /><${MainAction} view=${view} name=${name} /><${MoreActions} view=${view} name=${name} />`;
    const tabName = tabs.find(({ id }) => id === tab)?.name;
    return html`<${Title} back=${{ href: "/app/", name: "Instances" }} text=${tab === "overview" ? name : `${name}: ${tabName}`} actions=${actions}>
            <span class="title-icon"><${ServiceIcon} service=${service} name=${view.service} /> ${name}</span></${Title}>
        <${Tabs} label="Of this instance" base=${`/app/instances/${view.id}`} current=${tab} tabs=${tabs} />
        <${Tab} key=${tab} tab=${tab} view=${view} name=${name} service=${service} query=${query} />`;
}

function Tab({ tab, ...rest }) {
    const found = tabs.find(({ id }) => id === tab);
    const { module, problem } = useModule(found?.load, tab);
    if (!found) return html`<${Failure} problem=${{ kind: "missing", message: "An instance has no such page." }} />`;
    if (problem) return html`<${Failure} problem=${problem} retry=${() => location.reload()} what="This page" />`;
    return module ? html`<${module.default} ...${rest} />` : html`<${Loading} rows=${4} />`;
}
