// Tabs that are pages: links, each with a URL of its own.
import { html, useEffect, useRef } from "../lib.js";

/** @param {{label: string, base: string, current: string, tabs: {id: string, name: string, badge?: any}[]}} props The first tab is `base` itself. */
export function Tabs({ label, base, current, tabs }) {
    const box = useRef(null);
    // On a phone they do not all fit: the one that is shown is seen.
    useEffect(() => {
        const link = box.current.querySelector("[aria-current]");
        if (link) box.current.scrollLeft = link.offsetLeft - (box.current.clientWidth - link.offsetWidth) / 2;
    }, [current]);
    return html`<nav ref=${box} class="tabs" aria-label=${label}><ul>${tabs.map(({ id, name, badge }, at) => html`<li key=${id}>
        <a href=${at === 0 ? base : `${base}/${id}`} data-quiet aria-current=${id === current ? "page" : undefined}>${name}${badge}</a></li>`)}</ul></nav>`;
}
