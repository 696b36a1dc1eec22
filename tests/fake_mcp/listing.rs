//! The lists that hardly anybody looks into: tools, resources, prompts, completions.

use serde_json::{json, value::RawValue};

use crate::{
    server::{field, unknown_method},
    tools::TOOLS,
    wire::INVALID_PARAMS,
};

/// The resources, by number.
const RESOURCES: [&str; 3] = ["fake://one", "fake://two", "fake://three"];

/// The answer to a listing method, as JSON text.
pub(crate) fn answer(method: &str, params: Option<&RawValue>) -> Result<String, (i32, String)> {
    let value = match method {
        "tools/list" => json!({ "tools": tools() }),
        "resources/list" => {
            json!({ "resources": RESOURCES.map(|uri| json!({ "uri": uri, "name": &uri[7..], "mimeType": "text/plain" })) })
        }
        "resources/templates/list" => {
            json!({ "resourceTemplates": [{ "uriTemplate": "fake://{name}", "name": "any" }] })
        }
        "resources/read" => {
            let uri = field(params, "uri")?;
            if !uri.starts_with("fake://") {
                return Err((-32002, format!("no resource {uri}")));
            }
            json!({ "contents": [{ "uri": uri, "mimeType": "text/plain", "text": format!("content of {uri}") }] })
        }
        "prompts/list" => {
            json!({ "prompts": [{ "name": "greet", "arguments": [{ "name": "who", "required": true }] }] })
        }
        "prompts/get" => {
            let name = field(params, "name")?;
            if name != "greet" {
                return Err((INVALID_PARAMS, format!("no prompt {name}")));
            }
            json!({ "messages": [{ "role": "user", "content": { "type": "text", "text": "Say hello." } }] })
        }
        "completion/complete" => json!({ "completion": { "values": ["alpha", "beta"], "total": 2, "hasMore": false } }),
        _ => return Err(unknown_method(method)),
    };
    Ok(value.to_string())
}

fn tools() -> Vec<serde_json::Value> {
    TOOLS
        .iter()
        .map(|(name, arguments, description)| {
            let properties: serde_json::Map<_, _> = arguments
                .split_whitespace()
                .filter_map(|argument| argument.split_once(':'))
                .map(|(name, kind)| (name.to_owned(), json!({ "type": kind })))
                .collect();
            json!({ "name": name, "description": description, "inputSchema": { "type": "object", "properties": properties } })
        })
        .collect()
}
