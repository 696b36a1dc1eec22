// From a URL to a page. Every page is a module of its own, fetched when it is first shown; links are ordinary `<a>`.
import { signal, untracked } from "./lib.js";

/** @typedef {{name: string, params: Record<string, string>, query: URLSearchParams, path: string, load: () => Promise<any>, area: string}} Route */

const routes = [];

/**
 * Adds a page. `pattern` as `/app/instances/{id}/{tab?}`; `load` imports the module whose default export is the page,
 * a component of `{params, query}`; `area` is the entry of the navigation that is marked.
 */
export function page(pattern, area, load) {
    const names = [];
    const source = pattern.replace(/\/\{(\w+)(\?)?\}/g, (_, name, optional) => {
        names.push(name);
        return optional ? "(?:/([^/]+))?" : "/([^/]+)";
    });
    routes.push({ pattern, area, load, names, match: new RegExp(`^${source}/?$`) });
}

function find(path) {
    for (const { pattern, area, load, names, match } of routes) {
        const found = match.exec(path);
        if (!found) continue;
        const params = {};
        names.forEach((name, at) => {
            if (found[at + 1] !== undefined) params[name] = decodeURIComponent(found[at + 1]);
        });
        return { name: pattern, area, load, params };
    }
    return { name: "", area: "", load: null, params: {} };
}

const current = () => ({
    ...find(location.pathname),
    path: location.pathname + location.search,
    query: new URLSearchParams(location.search),
});

/** The route that is shown. */
export const route = signal(/** @type {Route|null} */ (null));

/** Begins; pages have been added. */
export function start() {
    route.value = current();
}

/**
 * Goes to a path of the dashboard. `replace`: without a step in the history; `quiet`: the focus stays where it is.
 * @param {string} path
 */
export function go(path, { replace = false, quiet = false } = {}) {
    if (path === untracked(() => route.value?.path)) return;
    history[replace ? "replaceState" : "pushState"]({ quiet }, "", path);
    route.value = { ...current(), quiet };
    if (!quiet) scrollTo(0, 0);
}

addEventListener("popstate", () => (route.value = current()));
document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!link || !plain || event.defaultPrevented || link.target || link.hasAttribute("download")) return;
    const url = new URL(link.href);
    if (url.origin !== location.origin || !url.pathname.startsWith("/app/")) return;
    event.preventDefault();
    go(url.pathname + url.search, { quiet: link.dataset.quiet !== undefined });
});
