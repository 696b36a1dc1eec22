//! The prompts.

use serde_json::{Value, json};

use crate::{
    resources::RED_DOT,
    script::Script,
    scripts,
    wire::{Failure, Members},
};

/// How a prompt is made.
pub(crate) enum Prompt {
    Ready(Value),
    Asking(Script),
}

/// `prompts/list`.
pub(crate) fn list() -> Value {
    let argument = |name: &str| json!({ "name": name, "description": format!("{name} for testing"), "required": true });
    let prompt = |name: &str, arguments: &[&str]| {
        let mut prompt = json!({ "name": name, "description": "A prompt for testing" });
        if !arguments.is_empty() {
            prompt["arguments"] = arguments.iter().map(|name| argument(name)).collect();
        }
        prompt
    };
    json!({ "prompts": [
        prompt("test_simple_prompt", &[]),
        prompt("test_prompt_with_arguments", &["arg1", "arg2"]),
        prompt("test_prompt_with_embedded_resource", &["resourceUri"]),
        prompt("test_prompt_with_image", &[]),
        prompt("test_input_required_result_prompt", &[]),
    ] })
}

/// `prompts/get`.
pub(crate) fn get(name: &str, arguments: &Members) -> Result<Prompt, Failure> {
    let of = |name: &str| {
        let value = arguments.get(name).and_then(Value::as_str);
        value.ok_or_else(|| Failure::invalid(format!("argument {name} is missing")))
    };
    let text = |text: String| json!({ "type": "text", "text": text });
    let contents = match name {
        "test_simple_prompt" => vec![text("This is a simple prompt for testing.".to_owned())],
        "test_prompt_with_arguments" => {
            vec![text(format!("Prompt with arguments: arg1='{}', arg2='{}'", of("arg1")?, of("arg2")?))]
        }
        "test_prompt_with_embedded_resource" => {
            let resource = json!({
                "uri": of("resourceUri")?,
                "mimeType": "text/plain",
                "text": "Embedded resource content for testing.",
            });
            let embedded = json!({ "type": "resource", "resource": resource });
            vec![embedded, text("Please process the embedded resource above.".to_owned())]
        }
        "test_prompt_with_image" => {
            let image = json!({ "type": "image", "data": RED_DOT, "mimeType": "image/png" });
            vec![image, text("Please analyze the image above.".to_owned())]
        }
        "test_input_required_result_prompt" => return Ok(Prompt::Asking(scripts::of_prompt())),
        _ => return Err(Failure::invalid(format!("no prompt {name}"))),
    };
    let messages: Value = contents.into_iter().map(|content| json!({ "role": "user", "content": content })).collect();
    Ok(Prompt::Ready(json!({ "messages": messages })))
}
