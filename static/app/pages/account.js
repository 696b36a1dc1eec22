// The account: built by its own pages; here is only its place.
import { html } from "../lib.js";
import { Title } from "../outlet.js";
import { Empty } from "../parts/states.js";

export default function Account() {
    return html`<${Title} text="Account" /><${Empty} icon="account" title="Nothing here yet">This page is not built yet.</${Empty}>`;
}
