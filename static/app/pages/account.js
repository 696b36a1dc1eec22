// The account: what one has, how one signs in, what one is told.
import { html } from "../lib.js";
import { needCatalog } from "../catalog.js";
import { Tabbed } from "../parts/tabbed.js";

const tabs = [
    { id: "overview", name: "Overview", load: () => import("./account/overview.js") },
    { id: "credentials", name: "Credentials", load: () => import("./account/credentials.js") },
    { id: "tokens", name: "Tokens", load: () => import("./account/tokens.js") },
    { id: "apps", name: "Connected apps", load: () => import("./account/apps.js") },
    { id: "security", name: "Security", load: () => import("./account/security.js") },
    { id: "notifications", name: "Notifications", load: () => import("./account/notifications.js") },
    { id: "webhooks", name: "Webhooks", load: () => import("./account/webhooks.js") },
    { id: "activity", name: "Activity", load: () => import("./account/activity.js") },
];

export default function Account({ params, query }) {
    needCatalog();
    return html`<${Tabbed} name="Account" base="/app/account" tabs=${tabs} params=${params} query=${query} />`;
}
