//! The headers that repeat parts of the body, and must agree with it.

use actix_web::HttpRequest;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

use crate::{
    catalog,
    http::one_header,
    wire::{Failure, Members, code},
};

/// The version, which must be checked before it is known whether it is spoken here.
pub(crate) fn check_version(request: &HttpRequest, version: &str) -> Result<(), Failure> {
    agree(request, "mcp-protocol-version", version)
}

/// The method, and the name that some methods have.
pub(crate) fn check_routing(request: &HttpRequest, method: &str, params: &Members) -> Result<(), Failure> {
    agree(request, "mcp-method", method)?;
    let member = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
        _ => return Ok(()),
    };
    match params.get(member).and_then(Value::as_str) {
        Some(name) => agree(request, "mcp-name", name),
        None => Ok(()),
    }
}

/// The arguments that the tool's schema names as headers.
pub(crate) fn check_arguments(request: &HttpRequest, params: &Members) -> Result<(), Failure> {
    let list = catalog::tools();
    let tool = list["tools"].as_array().into_iter().flatten().find(|tool| params.get("name") == Some(&tool["name"]));
    let Some(properties) = tool.and_then(|tool| tool["inputSchema"]["properties"].as_object()) else { return Ok(()) };
    for (argument, schema) in properties {
        let Some(suffix) = schema["x-mcp-header"].as_str() else { continue };
        let value = params.get("arguments").and_then(|arguments| arguments.get(argument)).unwrap_or(&Value::Null);
        check_argument(request, &format!("mcp-param-{suffix}").to_lowercase(), value)?;
    }
    Ok(())
}

fn check_argument(request: &HttpRequest, header: &str, value: &Value) -> Result<(), Failure> {
    let expected = match value {
        Value::Null => return Ok(()),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let sent = one_header(request, header).ok_or_else(|| mismatch(header))?;
    if decoded(sent).ok_or_else(|| mismatch(header))? == expected { Ok(()) } else { Err(mismatch(header)) }
}

/// A value that is not plain ASCII comes as `=?base64?…?=`.
fn decoded(value: &str) -> Option<String> {
    match value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        None => Some(value.to_owned()),
        Some(encoded) => String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok(),
    }
}

fn agree(request: &HttpRequest, header: &str, expected: &str) -> Result<(), Failure> {
    let sent = one_header(request, header).and_then(decoded);
    if sent.as_deref() == Some(expected) { Ok(()) } else { Err(mismatch(header)) }
}

fn mismatch(header: &str) -> Failure {
    Failure::new(code::HEADER_MISMATCH, format!("header {header} is missing or differs from the body"))
}
