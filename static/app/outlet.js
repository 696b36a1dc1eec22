// Where pages appear: fetches the module of the route, gives the heading the focus, says where one is.
import { Component, html, useEffect } from "./lib.js";
import { useModule } from "./module.js";
import { route } from "./router.js";
import { Failure, Loading } from "./parts/states.js";
import { Icon } from "./parts/icon.js";

/** The heading of a page; every page has exactly one, and its text is the title of the tab. */
export function Title({ children, text, lead, actions, back }) {
    const words = text ?? (typeof children === "string" ? children : "");
    useEffect(() => {
        document.title = words ? `${words} · Berth` : "Berth";
    }, [words]);
    return html`<div class="page-head">${back && html`<a class="back" href=${back.href}><${Icon} name="left" />${back.name}</a>`}
        <div class="page-title"><h1 tabindex="-1">${children ?? text}</h1>${actions && html`<div class="row">${actions}</div>`}</div>
        ${lead && html`<p class="lead soft">${lead}</p>`}</div>`;
}

// A page that fails while it is drawn must not take the rest with it.
class Guard extends Component {
    state = { broken: null };

    static getDerivedStateFromError(broken) {
        console.error(broken);
        return { broken };
    }

    render({ children }, { broken }) {
        if (!broken) return children;
        return html`<${Title} text="Something went wrong" /><${Failure} problem=${broken} retry=${() => location.reload()} what="This page" />`;
    }
}

function Missing() {
    return html`<${Title} text="There is no such page" /><${Failure} problem=${{ kind: "missing", message: location.pathname }} />`;
}

export function Outlet() {
    const at = route.value;
    const { module, problem } = useModule(at.load, at.name);
    useFocus(at, module);
    if (!at.load) return html`<${Missing} />`;
    if (problem) {
        return html`<${Title} text="This page could not be loaded" /><${Failure} problem=${problem} retry=${() => location.reload()} what="This page" />`;
    }
    if (!module) return html`<${Loading} rows=${5} />`;
    const Page = module.default;
    return html`<${Guard} key=${at.path.split("?")[0]}><${Page} key=${at.params.id ?? at.params.service ?? ""} params=${at.params} query=${at.query} /></${Guard}>`;
}

let first = true;

// After a change of page the focus is on its heading, so that it is read out; not on the first page, and not between tabs.
function useFocus(at, ready) {
    useEffect(() => {
        if (!ready) return;
        if (!first && !at.quiet && !document.querySelector("dialog[open]")) document.querySelector("h1")?.focus({ preventScroll: true });
        first = false;
    }, [at.path, Boolean(ready)]);
}
