// Light, dark, or as the system has it.
import { html, signal } from "./lib.js";
import { Icon } from "./parts/icon.js";

const themes = [["auto", "As the system", "auto"], ["light", "Light", "sun"], ["dark", "Dark", "moon"]];
const theme = signal(document.documentElement.dataset.theme ?? "auto");

function choose(value) {
    theme.value = value;
    if (value === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = value;
    try {
        if (value === "auto") localStorage.removeItem("berth.theme");
        else localStorage.setItem("berth.theme", value);
    } catch {
        // Storage may be forbidden; then it holds until the page is loaded anew.
    }
}

export function ThemeSwitch() {
    return html`<div class="segments" role="group" aria-label="Theme">${themes.map(([value, name, icon]) => html`
        <button key=${value} class="stays" aria-pressed=${theme.value === value} title=${name} onClick=${() => choose(value)}><${Icon} name=${icon} /><span class="hidden">${name}</span></button>`)}</div>`;
}
