// Figures and times as people read them.

/** `1.5 MiB`; `—` when there is nothing. */
export function bytes(count) {
    if (count === undefined || count === null) return "—";
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let at = 0;
    while (count >= 1024 && at < units.length - 1) {
        count /= 1024;
        at += 1;
    }
    return `${at === 0 || count >= 100 ? Math.round(count) : Number(count.toFixed(1))} ${units[at]}`;
}

/** `12,345` as the reader's language has it. */
export const number = (value) => (value === undefined || value === null ? "—" : value.toLocaleString());

/** `2 d 3 h`, `4 min`, `12 s`: two steps at most. */
export function duration(ms) {
    const steps = [["d", 86_400_000], ["h", 3_600_000], ["min", 60_000], ["s", 1000]];
    const at = steps.findIndex(([, step]) => ms >= step);
    if (at < 0) return "0 s";
    const [unit, step] = steps[at];
    const first = `${Math.floor(ms / step)} ${unit}`;
    const next = steps[at + 1];
    const rest = next && unit !== "min" ? Math.floor((ms % step) / next[1]) : 0;
    return rest > 0 ? `${first} ${rest} ${next[0]}` : first;
}

/** `3 min ago`, `in 2 h`, `just now`. */
export function relative(at, now) {
    const ms = new Date(at).getTime() - now;
    if (Math.abs(ms) < 10_000) return "just now";
    return ms < 0 ? `${duration(-ms)} ago` : `in ${duration(ms)}`;
}

const exactly = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const shortly = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

export const exact = (at) => exactly.format(new Date(at));
export const dateTime = (at) => shortly.format(new Date(at));
export const clockTime = (at) => clock.format(new Date(at));

/** `snake_case` as words: `Snake case`. */
export const words = (name) => {
    const text = String(name).replaceAll("_", " ");
    return text.charAt(0).toUpperCase() + text.slice(1);
};

/** `1 tool`, `2 tools`. */
export const count = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;
