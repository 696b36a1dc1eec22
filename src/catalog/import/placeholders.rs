//! `${…}` in configurations and bundles: what each of them means for us.

use super::text::{Hole, Text};

/// The text with every `${…}` that `meaning` knows in its place; others stay as they are.
pub(super) fn read(text: &str, meaning: &dyn Fn(&str) -> Option<Text>) -> Text {
    let (mut read, mut rest, mut plain) = (Text::default(), text, String::new());
    while let Some((before, from)) = rest.split_once("${") {
        plain.push_str(before);
        let known = from.split_once('}').and_then(|(inner, after)| Some((meaning(inner)?, after)));
        match known {
            Some((text, after)) => {
                read = read.then(Text::plain(&std::mem::take(&mut plain))).then(text);
                rest = after;
            }
            None => {
                plain.push_str("${");
                rest = from;
            }
        }
    }
    plain.push_str(rest);
    read.then(Text::plain(&plain))
}

/// Places of somebody's own machine: those of an instance in their stead.
pub(super) fn place(inner: &str) -> Option<Text> {
    let template = match inner {
        "userHome" | "HOME" | "env:HOME" => "{HOME_DIR}",
        "workspaceFolder" | "workspaceRoot" | "PWD" | "DESKTOP" | "DOCUMENTS" | "DOWNLOADS" => "{DATA_DIR}",
        "pathSeparator" | "/" => return Some(Text::plain("/")),
        _ => return None,
    };
    Some(Text::template(template))
}

/// A variable of somebody's own machine, `NAME` or `NAME:-default`, which is to be filled in.
pub(super) fn variable(inner: &str, is_secret: impl Fn(&str) -> bool) -> Option<Text> {
    let inner = inner.strip_prefix("env:").unwrap_or(inner);
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default.to_owned())),
        None => (inner, None),
    };
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let is_name = is_name && !name.starts_with(|c: char| c.is_ascii_digit());
    let secret = is_secret(name);
    is_name.then(|| {
        let default = default.filter(|default| !default.is_empty());
        let value = default.clone().filter(|_| secret);
        let help = format!("the variable {name} of the machine that this is from");
        let required = default.is_none();
        Text::hole(Hole {
            key: name.to_owned(),
            label: name.to_owned(),
            help,
            // A default that is a secret is none for everybody.
            default: default.filter(|_| !secret),
            required,
            secret,
            value,
        })
    })
}

/// Whether a value only says that one belongs there: `<your key>`, `YOUR_API_KEY`.
pub(super) fn is_dummy(value: &str) -> bool {
    let lower = value.trim().to_ascii_lowercase();
    let bracketed = lower.len() > 2 && lower.starts_with('<') && lower.ends_with('>');
    let spoken = ["your_", "your-", "your ", "<your", "replace_", "replace-", "replace with", "insert_", "xxx"]
        .iter()
        .any(|start| lower.starts_with(start));
    bracketed || spoken || lower == "..."
}
