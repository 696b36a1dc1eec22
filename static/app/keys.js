// The keyboard: `/` searches, `g` and a letter goes somewhere, `?` shows this.
import { html, signal } from "./lib.js";
import { go } from "./router.js";
import { me } from "./api.js";
import { Dialog } from "./parts/dialog.js";

const shown = signal(false);
export const openKeys = () => (shown.value = true);

const places = { i: "/app/", c: "/app/catalog", a: "/app/account", d: "/app/admin" };
let leading = 0;

const isTyping = (target) => target.closest?.("input, textarea, select, [contenteditable], dialog");

document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const wasLeading = Date.now() - leading < 1200;
    leading = 0;
    if (wasLeading && places[event.key] && (event.key !== "d" || me.value?.role === "admin")) {
        event.preventDefault();
        go(places[event.key]);
    } else if (event.key === "g") leading = Date.now();
    else if (event.key === "?") openKeys();
    else if (event.key === "/") {
        const search = document.querySelector("main input[type=search]");
        if (!search) return;
        event.preventDefault();
        search.focus();
        search.select();
    }
});

const rows = [["/", "Search on this page"], ["g i", "Instances"], ["g c", "Catalog"], ["g a", "Account"], ["g d", "Administration"], ["?", "These keys"], ["Esc", "Close what is open"]];

export function Keys() {
    if (!shown.value) return null;
    const mine = rows.filter(([key]) => key !== "g d" || me.value?.role === "admin");
    return html`<${Dialog} title="Keys" onClose=${() => (shown.value = false)}><dl class="facts">${mine.map(([key, words]) => html`
        <dt>${key.split(" ").map((one) => html`<kbd>${one}</kbd> `)}</dt><dd>${words}</dd>`)}</dl></${Dialog}>`;
}
