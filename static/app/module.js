// Modules of pages and tabs: fetched when they are shown; again when the server was away.
import { useEffect, useState } from "./lib.js";
import { Problem, lost, refresh } from "./api.js";

const updated = { kind: "failed", message: "Berth may have been updated since this page was opened. Load it anew." };

// A module that does not come: the server is away, or has other files by now.
async function whyNot() {
    const isThere = await fetch("/health", { cache: "no-store" }).catch(() => null);
    if (isThere) return updated;
    lost();
    return new Problem({});
}

/**
 * What `load` fetches, or why it does not come.
 * @param {(() => Promise<any>) | undefined} load
 * @param {string} key another one: another module
 * @returns {{module: any, problem: any}}
 */
export function useModule(load, key) {
    const [state, setState] = useState({ key: null, module: null, problem: null });
    const turn = refresh.value;
    const here = state.key === key ? state : { module: null, problem: null };
    useEffect(() => {
        if (!load || here.module) return undefined;
        let current = true;
        const done = (more) => current && setState({ key, module: null, problem: null, ...more });
        load().then((module) => done({ module }), async () => done({ problem: await whyNot() }));
        return () => (current = false);
    }, [key, turn]);
    return here;
}
