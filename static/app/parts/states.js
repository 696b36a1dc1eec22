// What is shown in place of what is not there: loading, nothing, failure, no permission. Pages use these, always.
import { html, useEffect, useState } from "../lib.js";
import { Icon } from "./icon.js";

/** Grey bars, after a moment: what is there at once never flickers. */
export function Loading({ rows = 3, label = "Loading" }) {
    const [due, setDue] = useState(false);
    useEffect(() => {
        const timer = setTimeout(() => setDue(true), 150);
        return () => clearTimeout(timer);
    }, []);
    if (!due) return html`<div class="skeleton-space" aria-hidden="true"></div>`;
    const bars = Array.from({ length: rows }, (_, at) => html`<div class="skeleton" key=${at}></div>`);
    return html`<div class="skeletons" role="status"><span class="hidden">${label}…</span>${bars}</div>`;
}

/** Nothing yet, and what to do next. */
export function Empty({ icon = "info", title, children, action }) {
    return html`<div class="empty"><span class="empty-icon"><${Icon} name=${icon} size=${24} /></span>
        <h2>${title}</h2>${children && html`<p class="soft">${children}</p>`}${action && html`<div class="row center">${action}</div>`}</div>`;
}

const titles = {
    offline: "Berth cannot be reached",
    session: "You are signed out",
    forbidden: "You may not see this",
    missing: "There is nothing here",
    failed: "This did not work",
};
const advice = {
    offline: "It comes back by itself as soon as the server answers.",
    session: "Sign in again to go on where you were.",
};

/** Something failed: what, why, and how to go on. @param {{problem: any, retry?: () => void, what?: string}} props */
export function Failure({ problem, retry, what }) {
    const kind = problem.kind ?? "failed";
    const text = advice[kind] ?? problem.message;
    return html`<div class="empty ${kind}" role="alert"><span class="empty-icon"><${Icon} name=${kind === "forbidden" ? "lock" : "warn"} size=${24} /></span>
        <h2>${what && kind === "failed" ? `${what} could not be loaded` : titles[kind]}</h2>
        <p class="soft">${text}</p>
        ${problem.requestId && kind === "failed" && html`<p class="soft small">Request <code>${problem.requestId}</code></p>`}
        <div class="row center">
            ${kind === "missing" || kind === "forbidden" ? html`<a class="button quiet" href="/app/">To your instances</a>` : null}
            ${retry && kind !== "missing" ? html`<button class="quiet" onClick=${retry}><${Icon} name="retry" /> Try again</button>` : null}
        </div></div>`;
}

/** A problem beside a form or a button. */
export function Complaint({ problem }) {
    if (!problem) return null;
    return html`<p class="complaint" role="alert"><${Icon} name="warn" /><span>${problem.message}</span></p>`;
}

/** Something that its reader should know. @param {{tone?: "info"|"warn"|"good"|"bad", children: any}} props */
export function Note({ tone = "info", icon, children }) {
    return html`<div class="note ${tone}"><${Icon} name=${icon ?? (tone === "info" ? "info" : tone === "good" ? "check" : "warn")} /><div>${children}</div></div>`;
}

/**
 * What a resource has, or why it has not. `children` is a function of the data.
 * @param {{of: import("../resource.js").Resource<any>, what?: string, rows?: number, children: (data: any) => any}} props
 */
export function Loaded({ of, what, rows, children }) {
    if (of.data !== undefined) return children(of.data);
    if (of.problem) return html`<${Failure} problem=${of.problem} retry=${of.reload} what=${what} />`;
    return html`<${Loading} rows=${rows} />`;
}
