//! Configurations of MCP clients: `mcpServers` of Claude Desktop, Claude Code, Cursor and Windsurf, `servers` and
//! `inputs` of VS Code.

use serde_json::{Map, Value};

use super::{
    command::Command,
    draft::{Draft, Found, Start},
    placeholders,
    secrets::is_secret_name,
    text::{Hole, Text},
    urls,
};

/// Every entry of `document[member]`, in order.
pub(super) fn read(document: &Value, member: &str) -> Vec<Found> {
    let inputs = Inputs(document.get("inputs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default());
    let entries = document.get(member).and_then(Value::as_object);
    entries
        .into_iter()
        .flatten()
        .map(|(name, entry)| {
            let server = draft(name, entry, &inputs).and_then(Draft::finish);
            Found { source: name.clone(), server, alternatives: Vec::new() }
        })
        .collect()
}

fn draft(name: &str, entry: &Value, inputs: &Inputs<'_>) -> Result<Draft, String> {
    let entry = entry.as_object().ok_or("its entry is no object")?;
    let mut notes = Vec::new();
    let mut env = pairs(entry, "env", inputs)?;
    for (member, word) in [("cwd", "its working folder (cwd)"), ("envFile", "its file of variables (envFile)")] {
        if entry.get(member).is_some_and(|value| !value.is_null()) {
            notes.push(format!("{word} is left out: instances have one of their own"));
        }
    }
    let url = ["url", "serverUrl", "httpUrl"].iter().find_map(|name| entry.get(*name)).and_then(Value::as_str);
    let start = match (url, entry.get("command").and_then(Value::as_str)) {
        (Some(url), _) => remote(entry, url, inputs, &mut notes)?,
        (None, Some(command)) => {
            let args = arguments(entry, inputs)?;
            Command { command, args, env: &mut env, notes: &mut notes }.start()?
        }
        (None, None) => return Err("it has neither a command nor a URL".to_owned()),
    };
    let text = |member: &str| entry.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Draft {
        source: name.to_owned(),
        display_name: String::new(),
        description: text("description"),
        start,
        env,
        notes,
    })
}

fn remote(
    entry: &Map<String, Value>,
    url: &str,
    inputs: &Inputs<'_>,
    notes: &mut Vec<String>,
) -> Result<Start, String> {
    let kind = ["type", "transport"].iter().find_map(|name| entry.get(*name)).and_then(Value::as_str);
    if kind.is_some_and(|kind| kind.eq_ignore_ascii_case("sse")) {
        notes.push("it says that it speaks HTTP+SSE; Berth asks for Streamable HTTP first".to_owned());
    }
    if kind.is_some_and(|kind| kind.eq_ignore_ascii_case("ws") || kind.eq_ignore_ascii_case("websocket")) {
        return Err("it speaks by WebSocket, which is no transport of MCP".to_owned());
    }
    if ["oauth", "auth", "headersHelper"].iter().any(|name| entry.get(*name).is_some_and(|value| !value.is_null())) {
        notes.push("what it says of signing in is left out".to_owned());
    }
    let (url, user) = urls::read(&inputs.text(url, ""))?;
    Ok(Start::Remote { url, user, headers: pairs(entry, "headers", inputs)? })
}

fn arguments(entry: &Map<String, Value>, inputs: &Inputs<'_>) -> Result<Vec<Text>, String> {
    let args = match entry.get("args") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(args) => args.as_array().ok_or("its `args` are no list")?,
    };
    args.iter()
        .map(|arg| scalar(arg).map(|arg| inputs.text(&arg, "")))
        .collect::<Option<_>>()
        .ok_or_else(|| "one of its `args` is no text".to_owned())
}

/// Names and values of an object of texts.
fn pairs(entry: &Map<String, Value>, member: &str, inputs: &Inputs<'_>) -> Result<Vec<(String, Text)>, String> {
    let object = match entry.get(member) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(object) => object.as_object().ok_or_else(|| format!("its `{member}` is no object"))?,
    };
    let text = |(name, value): (&String, &Value)| match scalar(value) {
        Some(value) => Ok((name.clone(), inputs.text(&value, name))),
        None => Err(format!("`{member}.{name}` is no text")),
    };
    object.iter().filter(|(_, value)| !value.is_null()).map(text).collect()
}

/// Text, or what is written as such.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// What VS Code asks its user for.
struct Inputs<'a>(&'a [Value]);

impl Inputs<'_> {
    /// A value that goes by `name`, with holes for what it leaves open.
    fn text(&self, value: &str, name: &str) -> Text {
        if !name.is_empty() && placeholders::is_dummy(value) {
            let help = "the document has no value, only where it belongs".to_owned();
            let (key, secret) = (name.to_owned(), is_secret_name(name));
            return Text::hole(Hole { label: key.clone(), key, help, required: true, secret, ..Hole::default() });
        }
        placeholders::read(value, &|inner| {
            if let Some(id) = inner.strip_prefix("input:") {
                return Some(Text::hole(self.hole(id)));
            }
            placeholders::place(inner).or_else(|| placeholders::variable(inner, is_secret_name))
        })
    }

    fn hole(&self, id: &str) -> Hole {
        let input = self.0.iter().find(|input| input.get("id").and_then(Value::as_str) == Some(id));
        let text = |name: &str| input.and_then(|input| input.get(name)).and_then(Value::as_str).map(str::to_owned);
        let password = input.and_then(|input| input.get("password")).and_then(Value::as_bool).unwrap_or_default();
        let secret = password || is_secret_name(id);
        let choices = input.and_then(|input| input.get("options")).and_then(Value::as_array);
        let choices: Vec<&str> = choices.into_iter().flatten().filter_map(Value::as_str).collect();
        let mut help = text("description").unwrap_or_default();
        if !choices.is_empty() {
            help = format!("{help} (one of {})", choices.join(", ")).trim().to_owned();
        }
        let default = text("default").filter(|_| !secret);
        let required = default.is_none();
        Hole { key: id.to_owned(), label: id.to_owned(), help, default, required, secret, value: None }
    }
}
