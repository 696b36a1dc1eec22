// From a package or an address to a manifest. What other programs write is read by Berth itself.

/** A name that Berth takes, from any text. */
export const nameFrom = (text) =>
    text.toLowerCase().replace(/^@/, "").replace(/[^a-z0-9]+/g, "-").replace(/^[^a-z]+|-+$/g, "").slice(0, 48).replace(/-+$/, "");

const base = (name, display, launch, more = {}) => ({ name, display_name: display || name, transport: launch.kind === "remote" || launch.kind === "http" ? "http" : "stdio", launch, ...more });

/** @param {{kind: "npm"|"pypi", package: string, version: string, args: string, env: string}} given */
export function fromPackage({ kind, package: name, version, args, env, key, label }) {
    const short = nameFrom(name.replace(/^@[^/]+\//, ""));
    const credential = key ? { credential: { kind: "api_key", env: key, label: label || undefined } } : {};
    return base(short, "", { kind, package: name, version, args: words(args) }, { env: variables(env), ...credential });
}

/** @param {{name: string, url: string, header?: string}} given */
export function fromUrl({ name, url, header }) {
    const credential = header ? { credential: { kind: "api_key", header } } : {};
    return base(nameFrom(name || new URL(url).hostname), name, { kind: "remote", url, headers: {} }, credential);
}

const words = (text) => (text.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replace(/^"|"$/g, ""));

/** `NAME=value` lines. */
export function variables(text) {
    const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
    return Object.fromEntries(lines.map((line) => {
        const at = line.indexOf("=");
        return at < 0 ? [line, ""] : [line.slice(0, at).trim(), line.slice(at + 1)];
    }));
}
