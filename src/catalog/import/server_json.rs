//! `server.json` of the MCP registry: 2025-12-11 and its forerunners with `camelCase`, 2025-07-09 with `snake_case`, and
//! the first of that day, whose packages are told by `registry_name` and whose remotes by `transport_type`; alone or
//! with what a registry's API adds around it.

mod inputs;

use serde_json::Value;
use url::Url;

use self::inputs::{arguments, get, pairs, text_of, variables_of};
use super::{
    draft::{Alternative, BundleSource, Draft, Found, Server, Start},
    package, placeholders,
    text::Text,
    urls,
};

/// Whether it is the description of one server.
pub(super) fn is_one(value: &Value) -> bool {
    let has = |name: &str| value.get(name).is_some();
    has("name") && (has("packages") || has("remotes") || has("version_detail") || has("$schema"))
}

/// The first way to run it that works here, and why the others are not it.
pub(super) fn read(value: &Value) -> Found {
    let server = value.get("server").filter(|server| server.is_object()).unwrap_or(value);
    let source = text_of(server, "name").unwrap_or_default();
    let mut taken: Option<Box<Server>> = None;
    let mut alternatives = Vec::new();
    for (what, start) in ways(server) {
        let tried = start.and_then(|way| way.server(server, &source));
        match tried {
            Ok(found) if taken.is_none() => taken = Some(found),
            Ok(_) => {
                alternatives.push(Alternative { what, reason: "another way is taken, which comes first".to_owned() });
            }
            Err(reason) => alternatives.push(Alternative { what, reason }),
        }
    }
    let server = match taken {
        Some(server) => Ok(server),
        None if source.is_empty() => Err("it has no name".to_owned()),
        None => Err(match alternatives.as_slice() {
            [] => "it names neither a package nor a remote server".to_owned(),
            [only] => format!("{}: {}", only.what, only.reason),
            several => format!("none of its {} ways to run works here", several.len()),
        }),
    };
    Found { source, server, alternatives }
}

/// One way to run a server.
enum Way {
    /// By a draft.
    Start { start: Start, env: Vec<(String, Text)>, notes: Vec<String> },
    /// By a bundle, which has to be fetched.
    Bundle(BundleSource),
}

impl Way {
    fn server(self, about: &Value, source: &str) -> Result<Box<Server>, String> {
        let title = text_of(about, "title").unwrap_or_default();
        let description = text_of(about, "description").unwrap_or_default();
        let draft = |start, env, notes| Draft {
            source: source.to_owned(),
            display_name: if title.is_empty() {
                source.rsplit('/').next().unwrap_or_default().to_owned()
            } else {
                title.clone()
            },
            description: description.clone(),
            start,
            env,
            notes,
        };
        match self {
            Self::Start { start, env, notes } => draft(start, env, notes).finish(),
            Self::Bundle(bundle) => {
                // Its manifest comes out of the bundle.
                let start = Start::Command { command: "bundle".to_owned(), args: Vec::new() };
                let mut server = draft(start, Vec::new(), Vec::new()).finish()?;
                server.bundle = Some(bundle);
                Ok(server)
            }
        }
    }
}

/// All ways that it names, packages first, each with its name.
fn ways(server: &Value) -> Vec<(String, Result<Way, String>)> {
    let list = |name: &str| server.get(name).and_then(Value::as_array).into_iter().flatten();
    let packages = list("packages").map(|package| (package_name(package), package_way(package)));
    let remotes = list("remotes").map(|remote| {
        let kind = text_of(remote, "type").or_else(|| text_of(remote, "transportType")).unwrap_or_default();
        (format!("remote {kind}").trim_end().to_owned(), remote_way(remote, &kind))
    });
    packages.chain(remotes).collect()
}

fn registry(package: &Value) -> String {
    let kind = text_of(package, "registryType").or_else(|| text_of(package, "registryName")).unwrap_or_default();
    match kind.as_str() {
        "docker" | "docker-hub" | "docker_hub" => "oci".to_owned(),
        _ => kind,
    }
}

fn identifier(package: &Value) -> String {
    text_of(package, "identifier").or_else(|| text_of(package, "name")).unwrap_or_default()
}

fn package_name(package: &Value) -> String {
    let name = identifier(package);
    // An address may hold what is nobody's to read.
    let name = if name.contains("://") { super::urls::without_secrets(&name) } else { name };
    format!("{} {name}", registry(package)).trim().to_owned()
}

fn package_way(package: &Value) -> Result<Way, String> {
    let kind = registry(package);
    match kind.as_str() {
        "npm" | "pypi" => {}
        "mcpb" | "dxt" => return bundle(package),
        "oci" => return Err("it is a container image, and Berth runs processes without a container engine".to_owned()),
        "nuget" => {
            return Err("it is a package of NuGet, which needs .NET; Berth installs from npm and PyPI".to_owned());
        }
        "cargo" => {
            return Err("it is a crate, which would have to be compiled; Berth installs from npm and PyPI".to_owned());
        }
        "" => return Err("it does not say of which registry it is".to_owned()),
        _ => return Err(format!("packages of {kind:?} are not installed here; those of npm and PyPI are")),
    }
    let transport = get(package, "transport").and_then(|transport| text_of(transport, "type"));
    if let Some(other) = transport.filter(|transport| transport != "stdio") {
        return Err(format!("the package speaks {other} at a port of its own choice; only stdio packages are started"));
    }
    let mut notes = Vec::new();
    if let Some(base) = text_of(package, "registryBaseUrl").filter(|base| !is_usual(base)) {
        let host = base.parse::<Url>().ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        notes.push(format!("it names the registry {host}; the one that this host is set up for is asked"));
    }
    let start = package_start(package, &kind, &mut notes)?;
    let env = pairs(package, "environmentVariables", &[])?;
    Ok(Way::Start { start, env, notes })
}

/// A package of npm or PyPI with its arguments.
fn package_start(package: &Value, kind: &str, notes: &mut Vec<String>) -> Result<Start, String> {
    let version = text_of(package, "version").unwrap_or_default();
    let args = arguments(package, "packageArguments")?;
    let name = identifier(package);
    let flags = arguments(package, "runtimeArguments")?;
    let hint = text_of(package, "runtimeHint").unwrap_or_default();
    let runtime_args = runtime_flags(&hint, flags, &name, notes);
    let spec = |mark: &str| if version.is_empty() { name.clone() } else { format!("{name}{mark}{version}") };
    if kind == "npm" {
        let package = package::npm(&spec("@"))?;
        Ok(Start::Npm { package: package.name, version: package.version, entry: None, runtime_args, args })
    } else {
        let mark = if version.starts_with(['<', '>', '~', '!', '=']) { "" } else { "==" };
        let package = package::pypi(&spec(mark))?;
        Ok(Start::Pypi { package: package.name, version: package.version, entry: None, args })
    }
}

fn is_usual(base: &str) -> bool {
    let base = base.trim_end_matches('/');
    matches!(base, "https://registry.npmjs.org" | "https://pypi.org" | "https://pypi.org/simple" | "")
}

/// Flags of the runtime itself. Those of a runner between it and the package fall away with the runner.
fn runtime_flags(hint: &str, flags: Vec<Text>, package: &str, notes: &mut Vec<String>) -> Vec<Text> {
    if matches!(hint, "node" | "bun" | "deno") {
        return flags;
    }
    let silent = |flag: &str| {
        matches!(flag, "-y" | "--yes" | "-q" | "--quiet")
            || flag.trim_start_matches('@').starts_with(package.trim_start_matches('@'))
    };
    let left_out = flags.iter().filter_map(Text::literal).filter(|flag| !silent(flag) && flag.starts_with('-'));
    notes.extend(left_out.map(|flag| {
        let name = flag.split('=').next().unwrap_or_default();
        format!("the flag {name} of its runner is left out")
    }));
    Vec::new()
}

fn bundle(package: &Value) -> Result<Way, String> {
    let sha256 = text_of(package, "fileSha256").unwrap_or_default().to_ascii_lowercase();
    let is_hash = sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_hash {
        return Err("its `fileSha256` is missing, so what is fetched could not be checked".to_owned());
    }
    let url: Url = identifier(package).parse().map_err(|_| "its `identifier` is no URL of a bundle".to_owned())?;
    Ok(Way::Bundle(BundleSource { url, sha256 }))
}

fn remote_way(remote: &Value, kind: &str) -> Result<Way, String> {
    let mut notes = Vec::new();
    match kind {
        "streamable-http" | "streamable" | "http" | "" => {}
        "sse" => notes.push("it says that it speaks HTTP+SSE; Berth asks for Streamable HTTP first".to_owned()),
        other => return Err(format!("{other:?} is no transport that is known")),
    }
    let url = text_of(remote, "url").ok_or("it has no URL")?;
    let variables = variables_of(remote);
    let headers = pairs(remote, "headers", &variables)?;
    let (url, user) = urls::read(&inputs::with_variables(&url, &variables))?;
    let url = Text(url.0);
    Ok(Way::Start { start: Start::Remote { url, user, headers }, env: Vec::new(), notes })
}

/// `${…}` has no meaning in a `server.json`; what is written so is meant for a client, and to be filled in.
fn plain(text: &str) -> Text {
    placeholders::read(text, &placeholders::place)
}
