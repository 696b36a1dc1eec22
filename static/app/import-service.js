// From what people have at hand to a manifest: a client's configuration, a package, an address, a `server.json`.

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

/** Manifests of a `mcpServers` configuration, of a `server.json`, or the manifest that it is. @throws when it is none of them */
export function fromJson(text) {
    const given = JSON.parse(text);
    const servers = given.mcpServers ?? given.servers;
    if (servers) return Object.entries(servers).map(([name, server]) => fromClient(name, server));
    if (given.launch) return [given];
    if (given.packages || given.remotes) return [fromServerJson(given)];
    if (given.command || given.url) return [fromClient("server", given)];
    throw new Error("This is neither a `mcpServers` configuration, nor a `server.json`, nor a manifest");
}

function fromClient(name, { command, args = [], env = {}, url, headers = {} }) {
    if (url) return base(nameFrom(name), name, { kind: "remote", url, headers });
    return base(nameFrom(name), name, packaged(command, args) ?? { kind: "command", command, args }, { env });
}

// `npx -y package@1.2.3 …` and `uvx package==1.2.3 …` are packages: installed once, started without the tool in between.
function packaged(command, args) {
    const tool = command?.split("/").pop();
    const rest = args.filter((arg) => arg !== "-y" && arg !== "--yes");
    if (!["npx", "uvx"].includes(tool) || !rest.length || rest[0].startsWith("-")) return null;
    const [target, ...more] = rest;
    const [, name, version] = tool === "npx" ? /^(@?[^@]+)(?:@(.+))?$/.exec(target) : /^([^=@]+)(?:==|@)?(.*)$/.exec(target);
    return { kind: tool === "npx" ? "npm" : "pypi", package: name, version: version && version !== "latest" ? version : "", args: more };
}

function fromServerJson({ name, title, description, packages = [], remotes = [] }) {
    const short = nameFrom(name.split("/").pop());
    const about = { description: description ?? "" };
    if (!packages.length) return base(short, title, { kind: "remote", url: remotes[0].url, headers: {} }, about);
    const [first] = packages;
    const kind = { npm: "npm", pypi: "pypi" }[first.registryType ?? first.registry_type];
    if (!kind) throw new Error(`Packages of ${first.registryType ?? first.registry_type} cannot be run here; npm and PyPI can`);
    const secret = (first.environmentVariables ?? []).find((variable) => variable.isSecret);
    const credential = secret ? { credential: { kind: "api_key", env: secret.name, help: secret.description } } : {};
    return base(short, title, { kind, package: first.identifier, version: first.version, args: [] }, { ...about, ...credential });
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
