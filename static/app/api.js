// The REST API with the cookie of the sign-in. Owner of state: who is signed in, whether the server can be reached.
// Secrets pass through here and are kept nowhere.
import { signal } from "./lib.js";

/** The account: the answer of `GET /api/v1/me`; `null` until it is known. */
export const me = signal(null);
/** `"ok"`, or `"ended"` when the sign-in is over and somebody must sign in again. */
export const session = signal("ok");
/** Whether the server can be reached. */
export const online = signal(true);
/** Grows whenever lists should be fetched again: back from offline, signed in again. */
export const refresh = signal(0);

/** An answer that is no success, or none at all. */
export class Problem extends Error {
    /** @param {{status?: number, code?: string, detail?: string, retryAfter?: number, requestId?: string}} about */
    constructor({ status = 0, code = "offline", detail, retryAfter, requestId }) {
        super(detail || "Berth cannot be reached");
        Object.assign(this, { status, code, retryAfter, requestId });
    }

    /** Which of our states it is: `offline`, `session`, `forbidden`, `missing` or `failed`. */
    get kind() {
        if (this.status === 0) return "offline";
        if (this.status === 401) return "session";
        if (this.status === 403) return "forbidden";
        return this.status === 404 ? "missing" : "failed";
    }
}

async function problemOf(response) {
    const body = await response.json().catch(() => ({}));
    return new Problem({
        status: response.status,
        code: body.code ?? "unknown",
        detail: body.detail || `Berth answered ${response.status}`,
        requestId: body.request_id,
        retryAfter: Number(response.headers.get("retry-after")) || undefined,
    });
}

async function send(method, path, body, { abort } = {}) {
    const headers = { accept: "application/json" };
    const isFile = body instanceof Blob;
    if (body !== undefined) headers["content-type"] = isFile ? "application/octet-stream" : "application/json";
    if (method !== "GET" && me.value) headers["x-csrf-token"] = me.value.csrf_token ?? "";
    const asked = { method, headers, signal: abort, body: body === undefined || isFile ? body : JSON.stringify(body) };
    try {
        return await fetch(`/api/v1${path}`, asked);
    } catch (error) {
        if (abort?.aborted) throw error;
        lost();
        throw new Problem({});
    }
}

/**
 * Asks the API; the JSON of the answer, `null` when it has none.
 * @param {string} method
 * @param {string} path below `/api/v1`
 * @param {unknown} [body]
 * @param {{abort?: AbortSignal, whole?: boolean}} [options] `whole`: the response itself
 */
export async function ask(method, path, body, options = {}) {
    let response = await send(method, path, body, options);
    if (response.status === 403 && method !== "GET") {
        const problem = await problemOf(response);
        // Signed in anew in another tab: the cookie is another one, and with it the token.
        if (problem.code !== "csrf_failed" || !(await identify())) throw problem;
        response = await send(method, path, body, options);
    }
    if (!response.ok) {
        const problem = await problemOf(response);
        if (problem.kind === "session" && path !== "/auth/login") session.value = "ended";
        throw problem;
    }
    if (options.whole) return response;
    return response.status === 204 ? null : response.json();
}

export const get = (path, options) => ask("GET", path, undefined, options);
export const post = (path, body = undefined, options) => ask("POST", path, body, options);
export const patch = (path, body) => ask("PATCH", path, body);
export const put = (path, body) => ask("PUT", path, body);
export const del = (path) => ask("DELETE", path);

/** `/path?a=b` of the members that have a value. */
export function query(path, values) {
    const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== "");
    const text = new URLSearchParams(given).toString();
    return text ? `${path}?${text}` : path;
}

/** Finds out who is signed in; `false` when nobody is. Another account than before: the page starts over. */
export async function identify() {
    const response = await send("GET", "/me");
    if (!response.ok) {
        if (response.status === 401) session.value = "ended";
        return false;
    }
    const account = await response.json();
    if (me.value && me.value.id !== account.id) location.reload();
    me.value = account;
    if (session.value === "ended") {
        session.value = "ok";
        refresh.value += 1;
    }
    return true;
}

/** Ends the sign-in and leaves. */
export async function signOut() {
    await post("/auth/logout").catch(() => {});
    location.assign("/login");
}

let probing = false;

/** Notes that the server does not answer, and looks for it until it does. */
export function lost() {
    online.value = false;
    if (probing) return;
    probing = true;
    let wait = 500;
    const probe = async () => {
        const answer = await fetch("/health", { cache: "no-store" }).catch(() => null);
        if (answer?.ok) {
            probing = false;
            online.value = true;
            refresh.value += 1;
            return;
        }
        wait = Math.min(wait * 1.6, 8000);
        setTimeout(probe, wait);
    };
    setTimeout(probe, wait);
}

addEventListener("offline", lost);
// Back in this tab: somebody may have signed in again in another one.
addEventListener("focus", () => session.value === "ended" && identify().catch(() => {}));
