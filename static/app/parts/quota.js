// What was used of what may be used: figures, with a bar where there is a limit.
import { html } from "../lib.js";
import { bytes, number } from "./format.js";
import { Time } from "./time.js";

const rows = [
    ["instances", "Instances", number, "of this account"],
    ["running", "Processes", number, "that run now"],
    ["memory_bytes", "Memory", bytes, "that these may take"],
    ["calls_today", "Calls today", number],
    ["creations_this_hour", "Made in the last hour", number, "instances"],
];
// For every figure but the number of instances 0 means that there is no limit.
const isUnlimited = (name, allowed) => allowed === null || allowed === undefined || (allowed === 0 && name !== "instances");

function Meter({ name, title, figure, format, about }) {
    const { used, allowed, resets_at: resets } = figure;
    const free = isUnlimited(name, allowed);
    const share = free ? 0 : allowed === 0 ? 1 : Math.min(1, used / allowed);
    const tone = share >= 1 ? "bad" : share >= 0.8 ? "warn" : "";
    const words = free ? html`<strong>${format(used)}</strong> <span class="soft">no limit</span>` : html`<strong>${format(used)}</strong> <span class="soft">of ${format(allowed)}</span>`;
    return html`<li class="meter"><span>${title}${about && html`<span class="soft small meter-about">${about}</span>`}</span>
        ${free ? html`<span class="meter-none" aria-hidden="true"></span>` : html`<span class="bar ${tone}" aria-hidden="true"><span style=${{ width: `${share * 100}%` }}></span></span>`}
        <span class="tabular meter-figures"><span>${words}</span>${tone && html`<span class="${tone}-text small">${tone === "bad" ? "Used up" : "Nearly used up"}</span>`}${resets && used > 0 && html`<span class="soft small">starts over <${Time} at=${resets} /></span>`}</span></li>`;
}

/** @param {{usage: any}} props the answer of `/me/usage` */
export function Meters({ usage }) {
    return html`<ul class="meters">${rows.map(([name, title, format, about]) => usage[name] && html`<${Meter} key=${name} name=${name} title=${title} about=${about} figure=${usage[name]} format=${format} />`)}</ul>`;
}

const rates = [["calls_per_second", "Calls per second, of all"], ["service_calls_per_second", "Calls per second, to one service"], ["token_calls_per_second", "Calls per second, with one token"]];

/** @param {{usage: any}} props */
export function Rates({ usage }) {
    return html`<dl class="facts">${rates.map(([name, title]) => html`<dt>${title}</dt><dd class="tabular">${isUnlimited(name, usage.rates[name].allowed) ? "No limit" : number(usage.rates[name].allowed)}</dd>`)}
        <dt>Services</dt><dd>${usage.services ? usage.services.join(", ") || "None" : "All of the catalog"}</dd></dl>`;
}
