//! What does not differ between the eras: the list of tools, and the methods that look something up.

use serde_json::{Value, json};

use crate::{prompts, resources, wire::Members};

/// Name, description, required arguments as `name:type`.
const TOOLS: [(&str, &str, &str); 36] = [
    // The suite calls the first tool without arguments.
    ("test_simple_text", "Answers with a text", ""),
    ("test_image_content", "Answers with an image", ""),
    ("test_audio_content", "Answers with a sound", ""),
    ("test_embedded_resource", "Answers with a resource", ""),
    ("test_multiple_content_types", "Answers with a text, an image and a resource", ""),
    ("test_tool_with_logging", "Logs while it works", ""),
    ("test_logging_tool", "Logs at once", ""),
    ("test_tool_with_progress", "Reports its progress", ""),
    ("test_error_handling", "Always fails", ""),
    ("test_reconnection", "Ends its stream before its answer", ""),
    ("test_sampling", "Asks the client's model", "prompt:string"),
    ("test_elicitation", "Asks the user", "message:string"),
    ("test_elicitation_sep1034_defaults", "Asks the user, with defaults", ""),
    ("test_elicitation_sep1330_enums", "Asks the user to choose", ""),
    ("test_missing_capability", "Cannot do without the client's model", ""),
    ("test_streaming_elicitation", "Asks the user on a stream", ""),
    ("test_trigger_tool_change", "Announces a change of the tools", ""),
    ("test_trigger_prompt_change", "Announces a change of the prompts", ""),
    ("test_trigger_resource_change", "Announces a change of the watched resource", ""),
    ("test_input_required_result_elicitation", "Asks for a name", ""),
    ("test_input_required_result_sampling", "Asks the client's model for a capital", ""),
    ("test_input_required_result_list_roots", "Asks for the client's roots", ""),
    ("test_input_required_result_request_state", "Asks for a confirmation", ""),
    ("test_input_required_result_multiple_inputs", "Asks for three things at once", ""),
    ("test_input_required_result_multi_round", "Asks twice", ""),
    ("test_input_required_result_tampered_state", "Asks for a confirmation, and knows its own state", ""),
    ("test_input_required_result_capabilities", "Asks for what the client can give", ""),
    ("greet", "Says hello", "name:string"),
    ("slow_compute", "Computes for some seconds", "seconds:number label:string"),
    ("failing_job", "Fails after a while", ""),
    ("protocol_error_job", "Ends in a protocol error", ""),
    ("confirm_delete", "Asks before it deletes", "filename:string"),
    ("multi_input", "Asks for two confirmations at once", ""),
    ("test_tool_with_task", "Asks for a name, then works on", ""),
    ("test_custom_header", "Has arguments that are request headers too", ""),
    ("json_schema_2020_12_tool", "Has a schema with every keyword", ""),
];

/// `tools/list`.
pub(crate) fn tools() -> Value {
    json!({ "tools": TOOLS.iter().map(|tool| definition(tool.0, tool.1, tool.2)).collect::<Vec<_>>() })
}

fn definition(name: &str, description: &str, arguments: &str) -> Value {
    let schema = match name {
        "test_custom_header" => custom_header(),
        "json_schema_2020_12_tool" => full_vocabulary(),
        _ => plain_schema(arguments),
    };
    json!({ "name": name, "description": description, "inputSchema": schema })
}

fn plain_schema(arguments: &str) -> Value {
    let pairs: Vec<_> = arguments.split_whitespace().filter_map(|argument| argument.split_once(':')).collect();
    let properties: Members = pairs.iter().map(|(name, kind)| ((*name).to_owned(), json!({ "type": kind }))).collect();
    let mut schema = json!({ "type": "object", "properties": properties });
    if !pairs.is_empty() {
        schema["required"] = pairs.iter().map(|(name, _)| Value::from(*name)).collect();
    }
    schema
}

fn custom_header() -> Value {
    json!({
        "type": "object",
        "properties": {
            "value": { "type": "string", "x-mcp-header": "Value" },
            "count": { "type": "integer", "x-mcp-header": "Count" },
        },
        "required": ["value"],
    })
}

/// Keywords of JSON Schema 2020-12 that must arrive as they are.
fn full_vocabulary() -> Value {
    let text = json!({ "type": "string" });
    let address = json!({
        "$anchor": "addressDef",
        "type": "object",
        "properties": { "street": text, "city": text },
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": { "address": address },
        "properties": {
            "name": text,
            "address": { "$ref": "#/$defs/address" },
            "contactMethod": { "type": "string", "enum": ["phone", "email"] },
            "phone": text,
            "email": text,
        },
        "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
        "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
        "then": { "required": ["phone"] },
        "else": { "required": ["email"] },
        "additionalProperties": false,
    })
}

/// The lists and completions: what can be answered from the method's name alone.
pub(crate) fn look_up(method: &str) -> Option<Value> {
    Some(match method {
        "tools/list" => tools(),
        "prompts/list" => prompts::list(),
        "resources/list" => resources::list(),
        "resources/templates/list" => resources::templates(),
        "completion/complete" => {
            json!({ "completion": { "values": ["paris", "park", "party"], "total": 3, "hasMore": false } })
        }
        _ => return None,
    })
}

/// Name and version, as both eras tell them.
pub(crate) fn implementation() -> Value {
    json!({ "name": "conformance-server", "version": env!("CARGO_PKG_VERSION") })
}
