import { html } from "../lib.js";
import { Title } from "../outlet.js";

export default function Page() {
    return html`<${Title} text="catalog" />`;
}
