// Lines of a log, live. What is written while one reads further up does not move the page.
import { html, useEffect, useLayoutEffect, useRef, useState } from "../lib.js";
import { get, query, refresh } from "../api.js";
import { live } from "../live.js";
import { Failure, Loading } from "./states.js";

const MOST = 5000;

/**
 * The last lines and those that follow.
 * @param {string} id @param {{stream?: string, tail?: number, paused?: boolean}} [options]
 */
export function useLog(id, { stream = "error", tail = 500 } = {}) {
    const [state, setState] = useState({ lines: null, problem: null, open: false });
    const turn = refresh.value;
    useEffect(() => {
        let current = true;
        const fetchTail = async () => {
            try {
                const { lines } = await get(query(`/mcps/${id}/logs`, { stream, tail }));
                if (current) setState((old) => ({ ...old, lines, problem: null }));
            } catch (problem) {
                if (current) setState((old) => ({ ...old, problem }));
            }
        };
        const waiting = [];
        let frame = 0;
        const flush = () => {
            frame = 0;
            const more = waiting.splice(0);
            setState((old) => ({ ...old, lines: [...(old.lines ?? []), ...more].slice(-MOST) }));
        };
        const add = (line) => {
            waiting.push(line);
            frame ||= setTimeout(flush, 50);
        };
        // What is written between both comes twice rather than never: the tail is fetched when the stream is open.
        const end = live(query(`/mcps/${id}/logs/stream`, { stream }), { message: add }, {
            json: false,
            opened: () => {
                waiting.length = 0;
                fetchTail();
            },
            state: (what) => current && setState((old) => ({ ...old, open: what === "open" })),
        });
        fetchTail();
        return () => {
            current = false;
            clearTimeout(frame);
            end();
        };
    }, [id, stream, tail, turn]);
    return state;
}

const levels = [["error", /\b(error|fatal|panic|critical|exception|traceback)\b/i], ["warn", /\bwarn(ing)?\b/i], ["debug", /\b(debug|trace)\b/i]];

/** `error`, `warn`, `info` or `debug`, by the words of the line. */
export const levelOf = (line) => levels.find(([, words]) => words.test(line.slice(0, 200)))?.[0] ?? "info";

/** @param {{lines: string[]|null, problem?: any, label: string, wrap?: boolean, empty?: string, follow?: boolean, tall?: boolean}} props */
export function LogLines({ lines, problem, label, wrap = true, empty = "Nothing has been written yet.", follow = true, tall = false }) {
    const box = useRef(null);
    const atEnd = useRef(true);
    const onScroll = () => {
        const { scrollTop, scrollHeight, clientHeight } = box.current;
        atEnd.current = scrollHeight - scrollTop - clientHeight < 24;
    };
    useLayoutEffect(() => {
        if (follow && atEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight;
    }, [lines, follow]);
    if (!lines) return problem ? html`<${Failure} problem=${problem} what="The log" />` : html`<${Loading} />`;
    return html`<div ref=${box} class="log ${wrap ? "wrap" : ""} ${tall ? "tall" : ""}" tabindex="0" role="log" aria-live="off" aria-label=${label} onScroll=${onScroll}>
        ${lines.length ? lines.map((line, at) => html`<div key=${at} class=${levelOf(line)}>${line || " "}</div>`) : html`<p class="soft">${empty}</p>`}</div>`;
}
