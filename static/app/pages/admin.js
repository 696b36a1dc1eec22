// Administration: the host, everybody's instances, services, people, the record of what was done.
import { html } from "../lib.js";
import { me } from "../api.js";
import { needCatalog } from "../catalog.js";
import { Title } from "../outlet.js";
import { Failure, Loading } from "../parts/states.js";
import { Tabbed } from "../parts/tabbed.js";

const tabs = [
    { id: "health", name: "Health", load: () => import("./admin/health.js") },
    { id: "instances", name: "Instances", load: () => import("./admin/instances.js") },
    { id: "services", name: "Services", load: () => import("./admin/services.js") },
    { id: "users", name: "Users", load: () => import("./admin/users.js") },
    { id: "groups", name: "Groups", load: () => import("./admin/groups.js") },
    { id: "usage", name: "Usage", load: () => import("./admin/usage.js") },
    { id: "audit", name: "Audit", load: () => import("./admin/audit.js") },
    { id: "settings", name: "Settings", load: () => import("./admin/settings.js") },
];

export default function Admin({ params, query }) {
    needCatalog();
    if (!me.value) return html`<${Title} text="Administration" /><${Loading} rows=${5} />`;
    if (me.value.role !== "admin") {
        return html`<${Title} text="Administration" /><${Failure} problem=${{ kind: "forbidden", message: "These pages are for administrators. Ask one of yours if you need something here." }} />`;
    }
    return html`<${Tabbed} name="Administration" base="/app/admin" tabs=${tabs} params=${params} query=${query} />`;
}
