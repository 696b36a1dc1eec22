//! The tools and the prompt that ask their client for something. Texts, keys and schemas are the suite's.

use serde_json::{Value, json};

use crate::{
    script::{Ask, Inputs, Needs, Script},
    tools::text_result,
    wire::{Failure, Members, text},
};

/// The script of a tool, if it is one of these.
pub(crate) fn of_tool(name: &str, arguments: &Members) -> Option<Result<Script, Failure>> {
    let script = match name {
        "test_sampling" => return Some(sampling(arguments)),
        "test_elicitation" => return Some(elicitation(arguments)),
        "test_elicitation_sep1034_defaults" => one(Ask::form("defaults", "Check these values", &defaults(), &[])),
        "test_elicitation_sep1330_enums" => one(Ask::form("enums", "Choose some options", &enums(), &[])),
        "test_missing_capability" => one(Ask::sample("need", "Say something", 16)),
        "test_streaming_elicitation" => one(Ask::form("streaming", "What is your name?", &name_field(), &["name"])),
        "test_input_required_result_elicitation" => greeting(),
        "test_input_required_result_sampling" => {
            one(Ask::sample("capital_question", "What is the capital of France?", 100))
        }
        "test_input_required_result_list_roots" => one(Ask::roots("client_roots")),
        "test_input_required_result_request_state" | "test_input_required_result_tampered_state" => confirmation(),
        "test_input_required_result_multiple_inputs" => multiple(),
        "test_input_required_result_multi_round" => multi_round(),
        "test_input_required_result_capabilities" => what_there_is(),
        _ => return None,
    };
    Some(Ok(script))
}

/// The script of the prompt that asks.
pub(crate) fn of_prompt() -> Script {
    let field = json!({ "context": { "type": "string" } });
    let ask = Ask::form("user_context", "What context should the prompt use?", &field, &["context"]);
    Script::new(vec![vec![ask]], |inputs| {
        let context = inputs["user_context"]["content"]["context"].as_str().unwrap_or("none");
        let text = format!("Use this context: {context}");
        Ok(json!({ "messages": [{ "role": "user", "content": { "type": "text", "text": text } }] }))
    })
}

/// One form that asks for a name; also the first half of `test_tool_with_task`.
pub(crate) fn greeting() -> Script {
    let ask = Ask::form("user_name", "What is your name?", &name_field(), &["name"]);
    Script::new(vec![vec![ask]], |inputs| {
        let name = inputs["user_name"]["content"]["name"].as_str().unwrap_or("nobody");
        Ok(text_result(&format!("Hello, {name}!")))
    })
}

/// Forms asked for together, each a plain yes.
pub(crate) fn confirmations(keys: &[&'static str], message: &str) -> Script {
    let field = json!({ "confirm": { "type": "boolean" } });
    let asks = keys.iter().map(|key| Ask::form(key, message, &field, &["confirm"])).collect();
    Script::new(vec![asks], told)
}

fn one(ask: Ask) -> Script {
    Script::new(vec![vec![ask]], told)
}

/// A result that shows every input: for an elicitation what became of it, for the rest what it holds.
fn told(inputs: &Inputs) -> Result<Value, Failure> {
    let part = |(key, value): (&String, &Value)| match value["action"].as_str() {
        Some(action) => format!("Elicitation completed: action={action}, content={}", value["content"]),
        None if value["content"]["text"].is_string() => {
            format!("LLM response: {}", value["content"]["text"].as_str().unwrap_or_default())
        }
        None => format!("{key}: {value}"),
    };
    Ok(text_result(&inputs.iter().map(part).collect::<Vec<_>>().join("\n")))
}

fn name_field() -> Value {
    json!({ "name": { "type": "string" } })
}

fn sampling(arguments: &Members) -> Result<Script, Failure> {
    Ok(one(Ask::sample("sampling", text(arguments, "prompt")?, 100)))
}

fn elicitation(arguments: &Members) -> Result<Script, Failure> {
    let fields = json!({
        "username": { "type": "string", "description": "User's response" },
        "email": { "type": "string", "description": "User's email address" },
    });
    let ask = Ask::form("elicitation", text(arguments, "message")?, &fields, &["username", "email"]);
    Ok(Script::new(vec![vec![ask]], |inputs| {
        let answer = &inputs["elicitation"];
        Ok(text_result(&format!("User response: action={}, content={}", answer["action"], answer["content"])))
    }))
}

fn confirmation() -> Script {
    let ask = Ask::form("confirm", "Please confirm", &json!({ "ok": { "type": "boolean" } }), &["ok"]);
    Script { sealed: true, ..Script::new(vec![vec![ask]], |_| Ok(text_result("state-ok"))) }
}

fn multiple() -> Script {
    let asks = vec![
        Ask::form("user_name", "What is your name?", &name_field(), &["name"]),
        Ask::sample("greeting", "Generate a greeting", 50),
        Ask::roots("client_roots"),
    ];
    Script { sealed: true, ..Script::new(vec![asks], told) }
}

fn multi_round() -> Script {
    let color = json!({ "color": { "type": "string" } });
    let rounds = vec![
        vec![Ask::form("step1", "Step 1: What is your name?", &name_field(), &["name"])],
        vec![Ask::form("step2", "Step 2: What is your favorite color?", &color, &["color"])],
    ];
    Script { sealed: true, ..Script::new(rounds, told) }
}

/// Asks in both ways at once and is content with either.
fn what_there_is() -> Script {
    let asks = vec![
        Ask::form("form", "Anything to add?", &json!({ "note": { "type": "string" } }), &[]),
        Ask::sample("sample", "Say something", 16),
    ];
    Script { needs: Needs::WhatThereIs, ..Script::new(vec![asks], told) }
}

fn defaults() -> Value {
    json!({
        "name": { "type": "string", "description": "User name", "default": "John Doe" },
        "age": { "type": "integer", "description": "User age", "default": 30 },
        "score": { "type": "number", "description": "User score", "default": 95.5 },
        "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
        "verified": { "type": "boolean", "description": "Verification status", "default": true },
    })
}

fn enums() -> Value {
    let titled = |word: &str| {
        let entry = |(value, ordinal)| json!({ "const": value, "title": format!("{ordinal} {word}") });
        [("value1", "First"), ("value2", "Second"), ("value3", "Third")].map(entry)
    };
    let options = ["option1", "option2", "option3"];
    let names = ["Option One", "Option Two", "Option Three"];
    json!({
        "untitledSingle": { "type": "string", "enum": options },
        "titledSingle": { "type": "string", "oneOf": titled("Option") },
        "legacyEnum": { "type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": names },
        "untitledMulti": { "type": "array", "items": { "type": "string", "enum": options } },
        "titledMulti": { "type": "array", "items": { "anyOf": titled("Choice") } },
    })
}
