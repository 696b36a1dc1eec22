// Cards that hold a list: what there is, about each, and what can be done with it.
import { html } from "../lib.js";
import { confirm } from "./dialog.js";
import { Loaded } from "./states.js";
import { toast } from "./toast.js";

/** A card with a heading. */
export function Card({ title, lead, action, flush = false, foot, children }) {
    return html`<section class="card"><header><div class="card-head"><h2>${title}</h2>${lead && html`<p class="soft small">${lead}</p>`}</div>${action && html`<div class="row">${action}</div>`}</header>
        <div class="body ${flush ? "flush" : ""}">${children}</div>${foot && html`<footer>${foot}</footer>`}</section>`;
}

/**
 * A card with lines. `children` makes the line of an item.
 * @param {{title: string, lead?: any, of: import("../resource.js").Resource<any[]>, action?: any, empty: any, foot?: any, children: (item: any) => any}} props
 */
export function Section({ title, lead, of, action, empty, foot, children }) {
    return html`<${Card} title=${title} lead=${lead} action=${action} foot=${foot} flush><${Loaded} of=${of} what=${title} rows=${2}>${(items) => (items.length
        ? html`<ul class="lines">${items.map(children)}</ul>` : html`<p class="soft pad">${empty}</p>`)}</${Loaded}></${Card}>`;
}

/** One line. `children`: its buttons. */
export function Line({ title, state, about, children }) {
    return html`<li class="line"><div class="line-text"><span class="row"><strong>${title}</strong>${state}</span>${about && html`<span class="soft small">${about}</span>`}</div>
        ${children && html`<div class="row line-acts">${children}</div>`}</li>`;
}

/** Asks, does it, and says so. Resolves to whether it was done. @param {Parameters<typeof confirm>[0] & {done: string, undo?: () => any}} question */
export async function ask({ done, undo, danger = true, ...question }) {
    if (!(await confirm({ danger, ...question }))) return false;
    toast(done, { undo });
    return true;
}
