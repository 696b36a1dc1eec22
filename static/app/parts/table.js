// Tables. Long ones have only the rows that are seen, and some around them, in the page.
import { html, useEffect, useRef, useState } from "../lib.js";

const WINDOW_FROM = 120;
const AROUND = 20;

/**
 * @param {{caption: string, columns: {name: string, cell: (row: any) => any, class?: string, hidden?: boolean}[],
 *   rows: any[], id: (row: any) => string, height?: number}} props
 *   `height`: of a row in px, where there may be many; on a phone rows become cards, which are never windowed by `height`
 */
export function Table({ caption, columns, rows, id, height = 57 }) {
    const body = useRef(null);
    const [from, to] = useWindow(body, rows.length, height);
    const shown = rows.slice(from, to);
    const space = (count) => count > 0 && html`<tr class="space" aria-hidden="true" style=${{ height: `${count * height}px` }}><td colspan=${columns.length}></td></tr>`;
    return html`<table class="list ${from > 0 || to < rows.length ? "windowed" : ""}" aria-rowcount=${rows.length + 1}><caption class="hidden">${caption}</caption>
        <thead><tr>${columns.map(({ name, hidden, class: kind }) => html`<th scope="col" class=${kind}>${hidden ? html`<span class="hidden">${name}</span>` : name}</th>`)}</tr></thead>
        <tbody ref=${body}>${space(from)}
            ${shown.map((row, at) => html`<tr key=${id(row)} aria-rowindex=${from + at + 2}>${columns.map(({ name, cell, hidden, class: kind }) => html`<td data-name=${hidden ? "" : name} class=${kind}>${cell(row)}</td>`)}</tr>`)}
            ${space(rows.length - to)}</tbody></table>`;
}

/** Which rows to have: those that are seen, by the height of one. */
export function useWindow(box, total, height) {
    const all = total <= WINDOW_FROM;
    const [range, setRange] = useState([0, WINDOW_FROM]);
    useEffect(() => {
        if (all) return undefined;
        let frame = 0;
        const measure = () => {
            frame = 0;
            if (!box.current) return;
            const top = -box.current.getBoundingClientRect().top;
            const first = Math.max(0, Math.floor(top / height) - AROUND);
            const last = Math.min(total, Math.ceil((top + innerHeight) / height) + AROUND);
            setRange((old) => (old[0] === first && old[1] === last ? old : [first, last]));
        };
        const soon = () => (frame ||= requestAnimationFrame(measure));
        measure();
        addEventListener("scroll", soon, { passive: true });
        addEventListener("resize", soon);
        return () => {
            cancelAnimationFrame(frame);
            removeEventListener("scroll", soon);
            removeEventListener("resize", soon);
        };
    }, [total, height, all]);
    return all ? [0, total] : [Math.min(range[0], total), Math.min(range[1], total)];
}
