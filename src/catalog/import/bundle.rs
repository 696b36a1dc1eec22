//! MCPB bundles (`.mcpb`, `.dxt`): an archive with a server and a `manifest.json` that says how to start it.

use std::path::Path;

use serde_json::{Map, Value};

use super::{
    client_config::scalar,
    draft::{Draft, Found, Start},
    json, placeholders,
    secrets::is_secret_name,
    text::{Hole, Piece, Text},
    unpack::{Archive, BundleError, BundleLimits, make_executable, sha256_of},
};

/// Largest manifest of a bundle, in bytes.
const MAX_MANIFEST: u64 = 1 << 20;
/// The folder of the bundle, in templates.
const FOLDER: &str = "{BUNDLE_DIR}";

/// A bundle that has been looked at and not yet unpacked.
pub struct Bundle {
    /// Its SHA-256 as lower-case hexadecimal digits.
    pub sha256: String,
    /// What it becomes.
    pub found: Found,
    /// The program of it that must be executable.
    program: Option<String>,
}

impl Bundle {
    /// Looks at a bundle: its hash, where there is one to compare, all its entries, its manifest.
    ///
    /// # Errors
    /// When it is not what was meant, or breaks a limit.
    pub fn read(bytes: &[u8], expected: Option<&str>, limits: BundleLimits) -> Result<Self, BundleError> {
        let sha256 = sha256_of(bytes);
        if let Some(expected) = expected.filter(|expected| !expected.eq_ignore_ascii_case(&sha256)) {
            return Err(BundleError::Hash { expected: expected.to_owned(), actual: sha256 });
        }
        let mut archive = Archive::open(bytes, limits)?;
        let text = archive.text("manifest.json", MAX_MANIFEST)?;
        let about =
            json::parse(&text).map_err(|error| BundleError::Malformed(format!("its manifest.json: {error}")))?;
        let source = member(&about, "name").unwrap_or_default();
        if source.is_empty() {
            return Err(BundleError::Malformed("its manifest.json has no name".to_owned()));
        }
        let mut program = None;
        let server = draft(&about, &sha256, &|path| archive.has(path), &mut program).and_then(Draft::finish);
        Ok(Self { sha256, found: Found { source, server, alternatives: Vec::new() }, program })
    }

    /// Writes it below `folder`, which is empty.
    ///
    /// # Errors
    /// As [`Self::read`], and when the disk fails.
    pub fn unpack(&self, bytes: &[u8], folder: &Path, limits: BundleLimits) -> Result<(), BundleError> {
        Archive::open(bytes, limits)?.unpack(folder)?;
        if let Some(program) = &self.program {
            make_executable(&folder.join(program))?;
        }
        Ok(())
    }
}

fn member(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn draft(
    about: &Value,
    sha256: &str,
    has: &dyn Fn(&str) -> bool,
    program: &mut Option<String>,
) -> Result<Draft, String> {
    let platforms = about.pointer("/compatibility/platforms").and_then(Value::as_array);
    if platforms.is_some_and(|platforms| !platforms.is_empty() && !platforms.iter().any(|name| name == "linux")) {
        return Err("it is not for Linux".to_owned());
    }
    let server = about.get("server").ok_or("its manifest has no `server`")?;
    let kind = member(server, "type").unwrap_or_default();
    let entry = member(server, "entry_point").unwrap_or_default();
    let config = Configuration(about.get("user_config").and_then(Value::as_object));
    let launch = server.get("mcp_config").cloned().unwrap_or_default();
    let (command, args) = started(&kind, &entry, &launch, &config)?;
    let command = command_of(&kind, &command, has, program)?;
    let mut notes = config.notes();
    if matches!(kind.as_str(), "node" | "python") {
        notes.push(format!("{command} must be on this host"));
    }
    Ok(Draft {
        source: member(about, "name").unwrap_or_default(),
        display_name: member(about, "display_name").or_else(|| member(about, "name")).unwrap_or_default(),
        description: member(about, "description").unwrap_or_default(),
        start: Start::Bundle { sha256: sha256.to_owned(), command, args },
        env: variables(&launch, &config)?,
        notes,
    })
}

/// The part of `mcp_config` that holds on Linux.
fn on_linux<'a>(launch: &'a Value, name: &str) -> Option<&'a Value> {
    let own = launch.pointer("/platform_overrides/linux").and_then(|own| own.get(name));
    own.or_else(|| launch.get(name))
}

/// Command and arguments; by kind and entry, where the manifest leaves that to its reader.
fn started(kind: &str, entry: &str, launch: &Value, config: &Configuration<'_>) -> Result<(String, Vec<Text>), String> {
    let command = on_linux(launch, "command").and_then(Value::as_str).unwrap_or_default();
    if command.is_empty() {
        let entry_text = Text::template(&format!("{FOLDER}/")).then(Text::plain(entry));
        return match kind {
            _ if entry.is_empty() => Err("its manifest does not say what to start".to_owned()),
            "node" => Ok(("node".to_owned(), vec![entry_text])),
            "python" => Ok(("python3".to_owned(), vec![entry_text])),
            _ => Ok((entry.to_owned(), Vec::new())),
        };
    }
    let list = on_linux(launch, "args").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut args = Vec::with_capacity(list.len());
    for arg in list {
        let arg = scalar(arg).ok_or("one of its arguments is no text")?;
        // The folder of the bundle is where it would be started.
        let inside = !entry.is_empty() && arg == entry;
        args.push(if inside {
            Text::template(&format!("{FOLDER}/")).then(Text::plain(&arg))
        } else {
            config.text(&arg)
        });
    }
    Ok((command.to_owned(), args))
}

/// A program of this host by its name, or one of the bundle by its path there.
fn command_of(
    kind: &str,
    command: &str,
    has: &dyn Fn(&str) -> bool,
    program: &mut Option<String>,
) -> Result<String, String> {
    let inside = command.strip_prefix("${__dirname}").map(|rest| rest.trim_start_matches(['/', '\\']));
    let path = inside.unwrap_or(command).trim_start_matches("./").replace("${/}", "/").replace("${pathSeparator}", "/");
    if kind == "uv" || matches!(path.as_str(), "uv" | "uvx" | "npx") {
        return Err("it installs packages whenever it starts; here, what is started is complete".to_owned());
    }
    if has(&path) {
        *program = Some(path.clone());
        return Ok(path);
    }
    match path.as_str() {
        "python" => Ok("python3".to_owned()),
        name if inside.is_none() && !name.contains(['/', '\\']) && kind != "binary" => Ok(name.to_owned()),
        _ => Err("the program that its manifest names is not in it".to_owned()),
    }
}

fn variables(launch: &Value, config: &Configuration<'_>) -> Result<Vec<(String, Text)>, String> {
    let mut merged = Map::new();
    for part in [launch.get("env"), launch.pointer("/platform_overrides/linux/env")] {
        merged.extend(part.and_then(Value::as_object).cloned().unwrap_or_default());
    }
    let text = |(name, value): (String, Value)| match scalar(&value) {
        Some(value) => Ok((name, config.text(&value))),
        None => Err(format!("its variable {name} is no text")),
    };
    merged.into_iter().map(text).collect()
}

/// What a bundle asks its user for.
struct Configuration<'a>(Option<&'a Map<String, Value>>);

impl Configuration<'_> {
    fn text(&self, text: &str) -> Text {
        placeholders::read(text, &|inner| match inner {
            "__dirname" => Some(Text::template(FOLDER)),
            _ => match inner.strip_prefix("user_config.") {
                Some(key) => Some(Text::hole(self.hole(key))),
                None => placeholders::place(inner),
            },
        })
    }

    fn hole(&self, key: &str) -> Hole {
        let field = self.0.and_then(|fields| fields.get(key));
        let text = |name: &str| field.and_then(|field| member(field, name));
        let flag = |name: &str| field.and_then(|field| field.get(name)).and_then(Value::as_bool).unwrap_or_default();
        let is_path = matches!(text("type").as_deref(), Some("directory" | "file"));
        let default = field.and_then(|field| field.get("default")).and_then(|default| match default {
            Value::Array(several) => several.first().and_then(scalar),
            single => scalar(single),
        });
        // Texts of which the field knows nothing are told by their names.
        let secret = flag("sensitive") || field.is_none() && is_secret_name(key);
        let default = default.map(|default| template_of(&default)).filter(|default| !default.is_empty() && !secret);
        let here = (text("type").as_deref() == Some("directory")).then(|| "{DATA_DIR}".to_owned());
        Hole {
            key: key.to_owned(),
            label: text("title").unwrap_or_else(|| key.to_owned()),
            help: text("description").unwrap_or_default(),
            default: default.or(here.filter(|_| is_path)),
            required: flag("required"),
            secret,
            value: None,
        }
    }

    /// What is not as its author meant it.
    fn notes(&self) -> Vec<String> {
        let several = |field: &Value| field.get("multiple").and_then(Value::as_bool) == Some(true);
        let fields = self.0.into_iter().flatten().filter(|(_, field)| several(field));
        fields.map(|(key, _)| format!("the field {key} takes one value here, not several")).collect()
    }
}

/// A default as a template of ours.
fn template_of(default: &str) -> String {
    let pieces = placeholders::read(default, &placeholders::place).0;
    let text = pieces.iter().map(|piece| match piece {
        Piece::Plain(text) | Piece::Template(text) => text.as_str(),
        Piece::Hole(hole) => hole.value.as_deref().unwrap_or_default(),
    });
    text.collect()
}
