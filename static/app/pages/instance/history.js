// History: what happened to it, crashes and changes among it, newest first.
import { html } from "../../lib.js";
import { get, query } from "../../api.js";
import { usePages, useResource } from "../../resource.js";
import { Act } from "../../parts/button.js";
import { dateTime, words } from "../../parts/format.js";
import { Icon } from "../../parts/icon.js";
import { CrashCard } from "../../parts/crash-card.js";
import { Complaint, Empty, Loaded } from "../../parts/states.js";
import { Time } from "../../parts/time.js";

const kinds = {
    running: ["check", "good", "Started", ({ pid }) => pid && `Process ${pid}`],
    ended: ["warn", "warn", "Ended", ({ reason }) => reason],
    failed: ["close", "bad", "Failed", ({ reason }) => reason],
    unhealthy: ["warn", "warn", "Failed its health check", ({ reason, detail }) => reason ?? detail],
    healthy: ["check", "good", "Healthy again", () => ""],
    limit_hit: ["warn", "bad", "Met a limit", (detail) => [detail.limit, detail.reason].filter(Boolean).join(": ")],
    idle: ["moonstar", "", "Fell asleep", () => "Nobody used it for a while"],
    expired: ["clock", "", "Expired", () => ""],
    refreshed: ["retry", "", "Its process was replaced", ({ reason }) => reason],
    woken_by_plan: ["clock", "", "Woken by plan", () => ""],
    debug_on: ["info", "", "Debugging began", ({ until }) => until && `Until ${dateTime(until)}`],
    debug_off: ["info", "", "Debugging ended", () => ""],
    connection_ended: ["info", "", "A client’s process ended", ({ reason }) => reason],
};
const actions = { "instance.create": "Created", "instance.change": "Changed", "instance.toggle": "Turned on or off", "instance.restart": "Restarted", "instance.renew": "Renewed", "instance.restore": "Brought back", "instance.debug": "Debugging set" };

function fromEvent({ id, at, kind, detail }) {
    const [icon, tone, title, about] = kinds[kind] ?? ["info", "", words(kind), () => ""];
    return { key: `e${id}`, at, icon, tone, title, about: about(detail ?? {}) };
}

function fromAudit({ seq, at, action, detail }) {
    const changed = Object.entries(detail ?? {}).filter(([, value]) => value && typeof value !== "object");
    const about = action === "instance.change" ? changed.map(([key, value]) => (value === true ? words(key) : `${words(key)}: ${value}`)).concat(Object.entries(detail ?? {}).filter(([, value]) => value && typeof value === "object").map(([key, value]) => `${words(key)}: ${JSON.stringify(value)}`)).join(", ") : "";
    return { key: `a${seq}`, at, icon: "account", tone: "by", title: `${actions[action] ?? words(action.replace("instance.", ""))} by you`, about };
}

export default function History({ view }) {
    const events = usePages((before, abort) => get(query(`/mcps/${view.id}/events`, { limit: 100, before }), { abort }), [view.id, view.status, view.restarts]);
    // What its owner did is in their own activity; the oldest of it may be further back than is looked.
    const done = useResource(async (abort) => (await get("/me/activity?limit=500", { abort })).items.filter(({ target }) => target === `instance:${view.id}`), [view.id, view.status]);
    return html`<div class="stack">${view.last_error && html`<${CrashCard} card=${view.last_error} title="Its last failure" />`}
        <${Loaded} of=${events} what="Its history" rows=${5}>${({ items }) => {
            const oldest = events.hasMore ? items.at(-1)?.at : "";
            const all = [...items.map(fromEvent), ...(done.data ?? []).filter(({ at }) => at >= oldest).map(fromAudit)].sort((a, b) => (a.at < b.at ? 1 : -1));
            if (!all.length) return html`<${Empty} icon="clock" title="Nothing has happened yet">Starts, failures and changes are listed here.</${Empty}>`;
            return html`<ol class="history card">${all.map(({ key, at, icon, tone, title, about }) => html`<li key=${key} class=${tone}><span class="step-mark"><${Icon} name=${icon} /></span>
                <div><strong>${title}</strong>${about && html`<p class="soft small">${about}</p>`}</div><span class="soft small nowrap"><${Time} at=${at} /></span></li>`)}</ol>
                <${Complaint} problem=${events.moreProblem} />${events.hasMore && html`<div class="row center"><${Act} class="quiet" act=${events.more}>Older</${Act}></div>`}`;
        }}</${Loaded}></div>`;
}
