// Icons: 16 px, drawn with the colour of the text beside them.
import { html } from "../lib.js";

const paths = {
    instances: "M2 3h12v4H2zM2 9h12v4H2zM4.5 5h.01M4.5 11h.01",
    catalog: "M2 2h5v5H2zM9 2h5v5H9zM2 9h5v5H2zM9 9h5v5H9z",
    account: "M8 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2.5 14a5.5 5.5 0 0 1 11 0",
    admin: "M8 1.5 13.5 4v3.5c0 3.5-2.3 6-5.5 7-3.2-1-5.5-3.5-5.5-7V4z",
    bell: "M4 6.5a4 4 0 0 1 8 0c0 3.5 1.5 4.5 1.5 4.5h-11S4 10 4 6.5zM6.5 13.5a1.5 1.5 0 0 0 3 0",
    sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
    moon: "M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7z",
    auto: "M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 0 1 0 12",
    plus: "M8 3v10M3 8h10",
    close: "M4 4l8 8M12 4l-8 8",
    check: "M3 8.5 6.5 12 13 4.5",
    copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
    search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM11 11l3.5 3.5",
    retry: "M13 8a5 5 0 1 1-1.5-3.6M13.5 2v3h-3",
    warn: "M8 2 14.5 13.5h-13zM8 6.5v3.5M8 12h.01",
    info: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 7.5V11M8 5h.01",
    lock: "M3.5 7h9v6.5h-9zM5.5 7V5a2.5 2.5 0 0 1 5 0v2",
    play: "M5 3.5 12 8l-7 4.5z",
    power: "M8 2v6M4.5 4.5a5 5 0 1 0 7 0",
    moonstar: "M12 9A5 5 0 1 1 7 3.5 4 4 0 0 0 12 9z",
    trash: "M2.5 4h11M6 4V2.5h4V4M4 4l.7 9.5h6.6L12 4",
    more: "M3 8h.01M8 8h.01M13 8h.01",
    down: "M4 6l4 4 4-4",
    right: "M6 4l4 4-4 4",
    left: "M10 4 6 8l4 4",
    out: "M6 13.5H2.5v-11H6M10 11l3-3-3-3M13 8H6",
    link: "M6.5 9.5l3-3M7 4.5l1.5-1.5a2.8 2.8 0 0 1 4 4L11 8.5M9 11.5 7.5 13a2.8 2.8 0 0 1-4-4L5 7.5",
    download: "M8 2v8M4.5 6.5 8 10l3.5-3.5M2.5 13.5h11",
    clock: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.5V8l2.5 1.5",
    key: "M5.5 13a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM7.8 8 13 2.8M10.5 5.3l2 2",
    tool: "M9.5 6.5 3 13M9 4a3 3 0 0 1 4-1.5L11 4.5l.5 1.5 1.5.5 2-2A3 3 0 0 1 11 9",
    keyboard: "M1.5 4h13v8h-13zM4 6.5h.01M6.5 6.5h.01M9 6.5h.01M11.5 6.5h.01M5 9.5h6",
};

/** @param {{name: keyof typeof paths}} props Decoration: what it means is said in words beside it. */
export function Icon({ name, size = 16 }) {
    return html`<svg class="icon" width=${size} height=${size} viewBox="0 0 16 16" fill="none" stroke="currentColor"
        stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d=${paths[name]} /></svg>`;
}

/** The icon of a service: its manifest's, else its initial. */
export function ServiceIcon({ service, name, size = "" }) {
    const icon = service?.icon;
    const initial = (service?.display_name ?? name ?? "?").slice(0, 1).toUpperCase();
    const picture = icon?.startsWith("/static/")
        ? html`<img src=${icon} alt="" />`
        : icon && icon.length <= 8 ? icon : initial;
    return html`<span class="service-icon ${size}" aria-hidden="true">${picture}</span>`;
}
