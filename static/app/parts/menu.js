// A menu behind a button: a `<details>` that closes when one looks elsewhere.
import { html, useEffect, useRef } from "../lib.js";

/** @param {{label: any, name: string, children: any, class?: string}} props `name` is read out. */
export function Menu({ label, name, children, class: kind = "" }) {
    const box = useRef(null);
    useEffect(() => {
        const away = (event) => {
            const open = box.current?.open;
            const escape = event.type === "keydown";
            if (!open || (escape && event.key !== "Escape") || (!escape && box.current.contains(event.target))) return;
            box.current.open = false;
            if (escape) box.current.querySelector("summary").focus();
        };
        document.addEventListener("pointerdown", away);
        document.addEventListener("keydown", away);
        return () => {
            document.removeEventListener("pointerdown", away);
            document.removeEventListener("keydown", away);
        };
    }, []);
    const chosen = (event) => event.target.closest("a, button:not(.stays)") && (box.current.open = false);
    return html`<details ref=${box} class="menu ${kind}"><summary aria-label=${name} title=${name}>${label}</summary>
        <div class="menu-items" onClick=${chosen}>${children}</div></details>`;
}
