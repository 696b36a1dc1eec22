//! Inputs of a `server.json`: values, variables in them, defaults, and what is secret.

use serde_json::Value;

use super::plain;
use crate::catalog::import::{
    client_config::scalar,
    placeholders::is_dummy,
    secrets::is_secret_name,
    text::{Hole, Text},
};

/// A member by its name in `camelCase`, or as it was in `snake_case`.
pub(super) fn get<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.get(name).or_else(|| value.get(snake(name)))
}

fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    // `fileSha256` was `file_sha256`.
    out
}

/// A member that is text, or what is written as such.
pub(super) fn text_of(value: &Value, name: &str) -> Option<String> {
    get(value, name).and_then(scalar)
}

/// The variables that texts of this object may name.
pub(super) fn variables_of(value: &Value) -> Vec<(String, Value)> {
    let variables = value.get("variables").and_then(Value::as_object);
    variables.into_iter().flatten().map(|(name, input)| (name.clone(), input.clone())).collect()
}

/// The text with `{name}` of `variables` as holes.
pub(super) fn with_variables(text: &str, variables: &[(String, Value)]) -> Text {
    let (mut read, mut rest, mut before) = (Text::default(), text, String::new());
    while let Some((start, from)) = rest.split_once('{') {
        before.push_str(start);
        let known = from.split_once('}').and_then(|(name, after)| {
            let (_, input) = variables.iter().find(|(known, _)| known == name)?;
            Some((value_of(input, name, &[]), after))
        });
        match known {
            Some((value, after)) => {
                read = read.then(plain(&std::mem::take(&mut before))).then(value);
                rest = after;
            }
            None => {
                before.push('{');
                rest = from;
            }
        }
    }
    before.push_str(rest);
    read.then(plain(&before))
}

/// What an input says of the value that goes by `name`: a fixed text, or a hole.
fn value_of(input: &Value, name: &str, outer: &[(String, Value)]) -> Text {
    let flag = |name: &str| get(input, name).and_then(Value::as_bool).unwrap_or_default();
    if let Some(value) = text_of(input, "value").filter(|value| !value.is_empty()) {
        let mut variables = variables_of(input);
        variables.extend(outer.iter().cloned());
        let text = with_variables(&value, &variables);
        return if flag("isSecret") && text.literal().is_some() { Text::hole(Hole::found(name, &value)) } else { text };
    }
    Text::hole(hole(input, name))
}

fn hole(input: &Value, name: &str) -> Hole {
    let flag = |name: &str| get(input, name).and_then(Value::as_bool).unwrap_or_default();
    let mut help = text_of(input, "description").unwrap_or_default();
    let choices = input.get("choices").and_then(Value::as_array).into_iter().flatten();
    let choices: Vec<&str> = choices.filter_map(Value::as_str).collect();
    if !choices.is_empty() {
        help = format!("{help} (one of {})", choices.join(", ")).trim().to_owned();
    }
    let secret = flag("isSecret") || is_secret_name(name);
    let default = text_of(input, "default").filter(|default| !default.is_empty() && !is_dummy(default));
    Hole {
        key: name.to_owned(),
        label: name.to_owned(),
        help,
        value: default.clone().filter(|_| secret),
        default: default.filter(|_| !secret),
        required: flag("isRequired"),
        secret,
    }
}

/// Names and values of a list of inputs: variables of the environment, headers.
pub(super) fn pairs(value: &Value, member: &str, outer: &[(String, Value)]) -> Result<Vec<(String, Text)>, String> {
    let list = get(value, member).and_then(Value::as_array).into_iter().flatten();
    list.map(|input| {
        let name = text_of(input, "name").ok_or_else(|| format!("one of its `{member}` has no name"))?;
        let value = value_of(input, &name, outer);
        Ok((name, value))
    })
    .collect()
}

/// A list of arguments. One that may be left out and has no value is.
pub(super) fn arguments(value: &Value, member: &str) -> Result<Vec<Text>, String> {
    let list = get(value, member).and_then(Value::as_array).into_iter().flatten();
    let mut args = Vec::new();
    for input in list {
        let name = text_of(input, "name").unwrap_or_default();
        let hint = text_of(input, "valueHint").unwrap_or_default();
        let has_value = ["value", "default"].iter().any(|member| text_of(input, member).is_some());
        match text_of(input, "type").as_deref() {
            Some("named") if name.is_empty() => return Err(format!("one of its `{member}` has no name")),
            // A flag that is there or not.
            Some("named") if !has_value && hint.is_empty() && !is_open(input) => args.push(Text::plain(&name)),
            Some("named") => args.extend(named(input, &name)),
            Some("positional") => {
                let key = if hint.is_empty() { format!("argument-{}", args.len() + 1) } else { hint };
                args.push(value_of(input, &key, &[]));
            }
            _ => return Err(format!("one of its `{member}` is neither named nor positional")),
        }
    }
    Ok(args)
}

/// Whether an input is to be given by somebody.
fn is_open(input: &Value) -> bool {
    ["description", "choices", "variables", "format", "isRequired", "isSecret"]
        .iter()
        .any(|name| get(input, name).is_some())
}

/// `--flag=value`, as the schema has it; `-f value` where there is one dash.
fn named(input: &Value, name: &str) -> Vec<Text> {
    let key = name.trim_start_matches('-');
    let value = value_of(input, key, &[]);
    if name.starts_with("--") {
        vec![Text::plain(&format!("{name}=")).then(value)]
    } else if name.starts_with('-') {
        vec![Text::plain(name), value]
    } else {
        vec![Text::plain(&format!("--{name}=")).then(value)]
    }
}
