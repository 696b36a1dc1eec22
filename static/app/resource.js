// Something that is fetched and shown: with its loading, its failure and its way back.
import { useEffect, useRef, useState, useCallback } from "./lib.js";
import { refresh } from "./api.js";

/**
 * @template T
 * @typedef {{data: T|undefined, problem: Error|null, loading: boolean, reload: () => void, set: (data: T|((old: T) => T)) => void}} Resource
 */

/**
 * Fetches when first shown, when `deps` change, after being offline and after signing in again. What was there stays
 * while it is fetched again, but when the first of `deps` has changed, which says what it is; when that fails, both
 * are there.
 * @template T
 * @param {(abort: AbortSignal) => Promise<T>} fetcher
 * @param {unknown[]} deps
 * @param {{every?: number}} [options] `every`: milliseconds between further fetches
 * @returns {Resource<T>}
 */
export function useResource(fetcher, deps = [], { every } = {}) {
    const [state, setState] = useState({ data: undefined, problem: null, loading: true });
    const [turn, setTurn] = useState(0);
    const before = useRef(deps);
    const again = refresh.value;
    useEffect(() => {
        const abort = new AbortController();
        const changed = before.current[0] !== deps[0];
        before.current = deps;
        setState((old) => ({ data: changed ? undefined : old.data, problem: null, loading: true }));
        const run = async () => {
            try {
                const data = await fetcher(abort.signal);
                if (!abort.signal.aborted) setState({ data, problem: null, loading: false });
            } catch (problem) {
                if (!abort.signal.aborted) setState((old) => ({ ...old, problem, loading: false }));
            }
        };
        run();
        const timer = every ? setInterval(() => document.hidden || run(), every) : 0;
        return () => {
            abort.abort();
            clearInterval(timer);
        };
    }, [...deps, turn, again, every]);
    const reload = useCallback(() => setTurn((turn) => turn + 1), []);
    const set = useCallback((data) => {
        setState((old) => ({ ...old, data: typeof data === "function" ? data(old.data) : data, problem: null }));
    }, []);
    return { ...state, reload, set };
}

/**
 * A list that goes on: `more()` fetches the next page by its cursor.
 * @param {(cursor: string|undefined, abort?: AbortSignal) => Promise<{items: any[], next?: string}>} fetcher
 */
export function usePages(fetcher, deps = []) {
    const first = useResource((abort) => fetcher(undefined, abort), deps);
    const [busy, setBusy] = useState(false);
    const [problem, setProblem] = useState(null);
    const more = async () => {
        if (busy || !first.data?.next) return;
        setBusy(true);
        setProblem(null);
        try {
            const page = await fetcher(first.data.next);
            first.set((old) => ({ ...page, items: [...old.items, ...page.items] }));
        } catch (problem) {
            setProblem(problem);
        }
        setBusy(false);
    };
    return { ...first, more, moreBusy: busy, moreProblem: problem, hasMore: Boolean(first.data?.next) };
}
