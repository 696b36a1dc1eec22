// A page of tabs, each of which is a module of its own and has a URL of its own.
import { html, useEffect, useRef } from "../lib.js";
import { useModule } from "../module.js";
import { Title } from "../outlet.js";
import { Failure, Loading } from "./states.js";
import { Tabs } from "./tabs.js";

/**
 * @param {{name: string, base: string, tabs: {id: string, name: string, load: () => Promise<any>}[], params: Record<string, string>, query: URLSearchParams}} props
 *   The first tab is at `base` itself. A tab is given `params` and `query`. A module that exports `Item` has a page
 *   of its own, with its own heading, for what `params.item` names.
 */
export function Tabbed({ name, base, tabs, params, query }) {
    const tab = tabs.find(({ id }) => id === (params.tab ?? tabs[0].id));
    const strip = useRef(null);
    useEffect(() => {
        // On a phone the strip of tabs scrolls: the one that is shown must be seen.
        strip.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
    }, [tab?.id]);
    useEffect(() => {
        // The other tabs are at hand when they are wanted, also when the server is away then.
        const timer = setTimeout(() => tabs.forEach(({ load }) => load().catch(() => {})), 1500);
        return () => clearTimeout(timer);
    }, []);
    const title = tab && tab !== tabs[0] ? `${tab.name} · ${name}` : name;
    return html`${!params.item && html`<${Title} text=${title}>${name}</${Title}>`}
        ${!params.item && html`<div ref=${strip}><${Tabs} label=${name} base=${base} current=${tab?.id} tabs=${tabs} /></div>`}
        ${tab ? html`<${Tab} key=${tab.id} tab=${tab} params=${params} query=${query} />`
            : html`${params.item && html`<${Title} text="There is no such page" />`}<${Failure} problem=${{ kind: "missing", message: `${name} has no such page.` }} />`}`;
}

function Tab({ tab, params, query }) {
    const { module, problem } = useModule(tab.load, tab.id);
    if (problem) return html`${params.item && html`<${Title} text=${tab.name} />`}<${Failure} problem=${problem} retry=${() => location.reload()} what="This page" />`;
    if (!module) return html`${params.item && html`<${Title} text=${tab.name} />`}<${Loading} rows=${4} />`;
    const Page = (params.item && module.Item) || module.default;
    return html`<${Page} params=${params} query=${query} />`;
}
