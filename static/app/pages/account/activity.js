// Activity: what one did, and what was done to one's account and to what one has.
import { html } from "../../lib.js";
import { get, me, query } from "../../api.js";
import { usePages } from "../../resource.js";
import { Entries } from "../../parts/entries.js";
import { More } from "../../parts/more.js";
import { Empty, Loaded } from "../../parts/states.js";

const who = (actor) => (actor === me.value?.id ? "You" : actor ? "An administrator" : "Berth");

export default function Activity() {
    const pages = usePages((before, abort) => get(query("/me/activity", { limit: 100, before }), { abort }));
    return html`<${Loaded} of=${pages} what="Your activity" rows=${6}>${({ items }) => (items.length
        ? html`<${Entries} caption="Your activity" items=${items} who=${who} /><${More} of=${pages} />`
        : html`<${Empty} icon="clock" title="Nothing yet">What you do here is recorded, and what is done to what you have.</${Empty}>`)}</${Loaded}>`;
}
