//! What each tool is, the same in both eras.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    caller::Caller,
    jobs::Job,
    resources::{RED_DOT, SILENCE},
    script::Script,
    scripts,
    wire::{Answer, Failure, Members},
};

/// Between two messages of a tool that takes its time.
const PACE: Duration = Duration::from_millis(50);

/// A tool, ready to run.
pub(crate) enum Tool {
    /// Answers at once.
    Plain(Value),
    /// Sends something first.
    Paced(Pace),
    /// Asks its client.
    Asking(Script),
    /// Announces a change.
    Trigger(Change),
    /// A task, where the client knows tasks.
    Job(Job),
}

/// Tools that send messages before their answer.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    Logging,
    LoggingAtOnce,
    Progress,
    /// Ends the stream before the answer.
    Reconnection,
}

/// What may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Tools,
    Prompts,
    /// The resource `test://watched-resource`.
    Watched,
}

impl Change {
    pub(crate) const fn method(self) -> &'static str {
        match self {
            Self::Tools => "notifications/tools/list_changed",
            Self::Prompts => "notifications/prompts/list_changed",
            Self::Watched => "notifications/resources/updated",
        }
    }

    pub(crate) fn params(self) -> Value {
        match self {
            Self::Tools | Self::Prompts => json!({}),
            Self::Watched => json!({ "uri": crate::resources::WATCHED }),
        }
    }
}

/// The tool of this name with these arguments.
pub(crate) fn find(name: &str, arguments: &Members) -> Result<Tool, Failure> {
    if let Some(script) = scripts::of_tool(name, arguments) {
        return script.map(Tool::Asking);
    }
    if let Some(job) = Job::of(name, arguments) {
        return job.map(Tool::Job);
    }
    if let Some(result) = plain(name, arguments) {
        return Ok(Tool::Plain(result));
    }
    Ok(match name {
        "test_tool_with_logging" => Tool::Paced(Pace::Logging),
        "test_logging_tool" => Tool::Paced(Pace::LoggingAtOnce),
        "test_tool_with_progress" => Tool::Paced(Pace::Progress),
        "test_reconnection" => Tool::Paced(Pace::Reconnection),
        "test_trigger_tool_change" => Tool::Trigger(Change::Tools),
        "test_trigger_prompt_change" => Tool::Trigger(Change::Prompts),
        "test_trigger_resource_change" => Tool::Trigger(Change::Watched),
        _ => return Err(Failure::invalid(format!("no tool {name}"))),
    })
}

fn plain(name: &str, arguments: &Members) -> Option<Value> {
    let embedded = |uri: &str, kind: &str, text: &str| json!({ "type": "resource", "resource": { "uri": uri, "mimeType": kind, "text": text } });
    let image = json!({ "type": "image", "data": RED_DOT, "mimeType": "image/png" });
    let of = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or("nobody").to_owned();
    Some(match name {
        "test_simple_text" => text_result("This is a simple text response for testing."),
        "test_image_content" => json!({ "content": [image] }),
        "test_audio_content" => {
            json!({ "content": [{ "type": "audio", "data": SILENCE, "mimeType": "audio/wav" }] })
        }
        "test_embedded_resource" => {
            let text = "This is an embedded resource content.";
            json!({ "content": [embedded("test://embedded-resource", "text/plain", text)] })
        }
        "test_multiple_content_types" => {
            let data = json!({ "test": "data", "value": 123 }).to_string();
            let text = json!({ "type": "text", "text": "Multiple content types test:" });
            json!({ "content": [text, image, embedded("test://mixed-content-resource", "application/json", &data)] })
        }
        "test_error_handling" => error_result("This tool intentionally returns an error for testing"),
        "json_schema_2020_12_tool" => text_result(&format!("arguments: {}", Value::from(arguments.clone()))),
        "test_custom_header" => text_result(&format!("value: {}", of("value"))),
        "greet" => text_result(&format!("Hello, {}!", of("name"))),
        _ => return None,
    })
}

/// Runs a paced tool.
pub(crate) async fn run(pace: Pace, caller: &Caller) -> Answer {
    match pace {
        Pace::Logging => {
            caller.log("info", "Tool execution started");
            sleep(PACE).await;
            caller.log("info", "Tool processing data");
            sleep(PACE).await;
            caller.log("info", "Tool execution completed");
        }
        Pace::LoggingAtOnce => {
            for level in ["debug", "info", "error"] {
                caller.log(level, "something happened");
            }
        }
        Pace::Progress => {
            for progress in [0, 50, 100] {
                caller.progress(progress, 100);
                sleep(PACE).await;
            }
        }
        Pace::Reconnection => {
            caller.hang_up();
            sleep(PACE * 2).await;
        }
    }
    Ok(text_result("done"))
}

pub(crate) fn text_result(text: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": text }] })
}

pub(crate) fn error_result(text: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": text }], "isError": true })
}
