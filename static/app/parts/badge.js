// The state of an instance: a shape, a colour and a word, never a colour alone.
import { html } from "../lib.js";

const states = {
    pending: ["ring", "info", "Pending", "Recorded, not started yet"],
    starting: ["spin", "info", "Starting", "Its process runs, but has not answered yet"],
    running: ["dot", "good", "Running", "It answers"],
    unhealthy: ["triangle", "warn", "Unhealthy", "It runs, but fails its health check"],
    restarting: ["spin", "warn", "Restarting", "It ended and is started again"],
    failed: ["cross", "bad", "Failed", "It ended too often; it needs you"],
    stopped: ["square", "off", "Stopped", "Turned off"],
    idle: ["moon", "off", "Asleep", "Wakes with the next request"],
    expired: ["ring", "off", "Expired", "Past its end; renew or restore it"],
    disconnected: ["cross", "warn", "Disconnected", "Its process was lost"],
    deleted: ["square", "off", "Deleted", "Gone"],
};

const shapes = {
    dot: html`<circle cx="6" cy="6" r="4" fill="currentColor" />`,
    ring: html`<circle cx="6" cy="6" r="3.5" fill="none" stroke="currentColor" stroke-width="1.75" />`,
    spin: html`<g class="spin"><path d="M6 2a4 4 0 1 1-4 4" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round" /></g>`,
    triangle: html`<path d="M6 1.5 11 10.5H1z" fill="currentColor" />`,
    cross: html`<path d="M2.5 2.5l7 7M9.5 2.5l-7 7" stroke="currentColor" stroke-width="2" stroke-linecap="round" />`,
    square: html`<rect x="2.5" y="2.5" width="7" height="7" rx="1" fill="currentColor" />`,
    moon: html`<path d="M9.8 7.6A4.3 4.3 0 1 1 5 1.9a3.5 3.5 0 0 0 4.8 5.7z" fill="currentColor" />`,
};

/** What a state is called and means. */
export const stateWords = (state) => ({ name: states[state]?.[2] ?? state, meaning: states[state]?.[3] ?? "" });

/** @param {{state: string}} props */
export function StateBadge({ state }) {
    const [shape, tone, name, meaning] = states[state] ?? ["ring", "off", state, ""];
    return html`<${Badge} shape=${shape} tone=${tone} title=${meaning}>${name}</${Badge}>`;
}

/** A badge of another kind. @param {{tone: "good"|"warn"|"bad"|"info"|"off", shape?: keyof typeof shapes}} props */
export function Badge({ tone, shape = "dot", title, children }) {
    return html`<span class="badge ${tone}" title=${title}>
        <svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">${shapes[shape]}</svg>${children}</span>`;
}
