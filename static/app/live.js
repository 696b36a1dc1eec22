// Server-sent events that come back by themselves: after an error with growing pauses, and when the tab is seen again.
// A tab that nobody sees keeps no stream: browsers allow few connections to one server.
import { effect } from "./lib.js";
import { identify, online, session } from "./api.js";

const SHORTEST = 500;
const LONGEST = 15_000;
const HIDDEN_FOR = 5000;

/**
 * Listens to a stream until the returned function is called.
 * @param {string} path below `/api/v1`
 * @param {Record<string, (data: any, event: MessageEvent) => void>} on handlers by name of event; `message` is the usual one
 * @param {{json?: boolean, opened?: () => void, state?: (state: "open"|"waiting") => void}} [options]
 */
export function live(path, on, { json = true, opened, state } = {}) {
    let source = null;
    let timer = 0;
    let pause = SHORTEST;
    let over = false;

    const close = () => {
        clearTimeout(timer);
        source?.close();
        source = null;
    };
    const later = () => {
        close();
        state?.("waiting");
        if (over || session.value === "ended") return;
        timer = setTimeout(open, pause * (0.75 + Math.random() / 2));
        pause = Math.min(pause * 2, LONGEST);
    };
    const failed = async () => {
        close();
        // An event source does not say why: ask.
        await identify().catch(() => {});
        later();
    };
    function open() {
        if (over || source || document.hidden || !online.value) return;
        source = new EventSource(`/api/v1${path}`);
        source.onopen = () => {
            pause = SHORTEST;
            state?.("open");
            opened?.();
        };
        source.onerror = failed;
        for (const [name, handle] of Object.entries(on)) {
            source.addEventListener(name, (event) => handle(json ? JSON.parse(event.data) : event.data, event));
        }
    }
    const seen = () => {
        clearTimeout(timer);
        if (document.hidden) timer = setTimeout(close, HIDDEN_FOR);
        else if (!source) open();
    };
    document.addEventListener("visibilitychange", seen);
    const stop = effect(() => {
        if (online.value && session.value === "ok") setTimeout(open, 0);
    });
    open();
    return () => {
        over = true;
        stop();
        document.removeEventListener("visibilitychange", seen);
        close();
    };
}

