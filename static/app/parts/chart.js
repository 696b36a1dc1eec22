// A line over time. The library is fetched with the first chart.
import { html, useEffect, useRef } from "../lib.js";
import { bytes, clockTime, dateTime } from "./format.js";

let library = null;
const fetchLibrary = () => {
    if (library) return library;
    const sheet = Object.assign(document.createElement("link"), { rel: "stylesheet", href: new URL("../../vendor/uplot.css", import.meta.url).href });
    document.head.append(sheet);
    return (library = import("../../vendor/uplot.js").then((module) => module.default));
};

const formats = { bytes, percent: (value) => (value === null || value === undefined ? "—" : `${Number(value.toFixed(1))} %`), number: (value) => String(value) };

// The canvas needs a colour, and custom properties hold `light-dark()`: ask what a text of it would have.
function inkOf(box, name) {
    box.style.color = `var(${name})`;
    const ink = getComputedStyle(box).color;
    box.style.color = "";
    return ink;
}

/** @param {{label: string, points: {at: string}[], of: string, unit: "bytes"|"percent"|"number", limit?: number}} props */
export function Chart({ label, points, of, unit = "number", limit }) {
    const box = useRef(null);
    const plot = useRef(null);
    const format = formats[unit];
    const data = [points.map(({ at }) => new Date(at).getTime() / 1000), points.map((point) => point[of] ?? null)];
    const latest = useRef(data);
    latest.current = data;
    useEffect(() => {
        let over = false;
        let watch = null;
        const draw = (Plot) => {
            if (over || !box.current) return;
            plot.current?.destroy();
            plot.current = new Plot(options(box.current, { label, format, limit, unit }), latest.current, box.current);
        };
        fetchLibrary().then((Plot) => {
            if (over) return;
            draw(Plot);
            watch = new ResizeObserver(() => box.current && plot.current?.setSize({ width: box.current.clientWidth, height: 150 }));
            watch.observe(box.current);
        }, () => {});
        const redraw = () => library?.then(draw);
        const theme = matchMedia("(prefers-color-scheme: dark)");
        theme.addEventListener("change", redraw);
        const switched = new MutationObserver(redraw);
        switched.observe(document.documentElement, { attributeFilter: ["data-theme"] });
        return () => {
            over = true;
            watch?.disconnect();
            switched.disconnect();
            theme.removeEventListener("change", redraw);
            plot.current?.destroy();
            plot.current = null;
        };
    }, [label, limit, unit]);
    useEffect(() => plot.current?.setData(data), [points]);
    const values = data[1].filter((value) => value !== null);
    const last = values.at(-1);
    const most = values.length ? Math.max(...values) : null;
    const words = `${label}: now ${format(last)}, at most ${format(most)}, from ${dateTime(points[0].at)} to ${dateTime(points.at(-1).at)}`;
    return html`<figure class="chart-figure"><figcaption><strong>${label}</strong><span class="tabular">${format(last)} <span class="soft">at most ${format(most)}</span></span></figcaption>
        <div class="chart" ref=${box} role="img" aria-label=${words}></div></figure>`;
}

// Ticks at round figures of bytes.
const powers = Array.from({ length: 44 }, (_, at) => 2 ** at);

function options(box, { label, format, limit, unit }) {
    const [line, soft, grid, fill] = ["--accent", "--soft", "--line", "--accent-tint"].map((name) => inkOf(box, name));
    const axis = { stroke: soft, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    const top = (_, __, most) => [0, Math.max((most ?? 0) * 1.25, unit === "percent" ? 5 : 1, 0) || (limit ?? 1)];
    const time = (_, ticks, __, ___, step) => ticks.map((tick) => (step >= 86_400 ? dateTime(tick * 1000).split(",")[0] : clockTime(tick * 1000).slice(0, step >= 60 ? 5 : 8)));
    return {
        width: box.clientWidth, height: 150, padding: [8, 28, 0, 0], legend: { show: false }, cursor: { y: false, drag: { x: false, y: false } },
        scales: { y: { range: top } },
        axes: [{ ...axis, size: 28, values: time, space: 70 }, { ...axis, size: 68, values: (_, ticks) => ticks.map(format), space: 36, incrs: unit === "bytes" ? powers : undefined }],
        series: [{}, { label, stroke: line, fill, width: 1.5, points: { show: false } }],
    };
}

