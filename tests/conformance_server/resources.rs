//! The resources, and the media that tools and prompts show.

use serde_json::{Value, json};

/// A PNG of one red pixel.
pub(crate) const RED_DOT: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
/// A WAV file without a sample.
pub(crate) const SILENCE: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";
/// The resource that may be subscribed to.
pub(crate) const WATCHED: &str = "test://watched-resource";

/// `resources/list`.
pub(crate) fn list() -> Value {
    let resource = |uri: &str, name: &str, kind: &str| json!({ "uri": uri, "name": name, "description": format!("{name} for testing"), "mimeType": kind });
    json!({ "resources": [
        resource("test://static-text", "Static text", "text/plain"),
        resource("test://static-binary", "Static binary", "image/png"),
        resource(WATCHED, "Watched resource", "text/plain"),
    ] })
}

/// `resources/templates/list`.
pub(crate) fn templates() -> Value {
    json!({ "resourceTemplates": [{
        "uriTemplate": "test://template/{id}/data",
        "name": "Template",
        "description": "A resource per id for testing",
        "mimeType": "application/json",
    }] })
}

/// `resources/read`; nothing for an unknown one.
pub(crate) fn read(uri: &str) -> Option<Value> {
    let text = |kind: &str, text: &str| json!({ "uri": uri, "mimeType": kind, "text": text });
    let content = match uri {
        "test://static-text" => text("text/plain", "This is the content of the static text resource."),
        "test://static-binary" => json!({ "uri": uri, "mimeType": "image/png", "blob": RED_DOT }),
        WATCHED => text("text/plain", "This resource may change."),
        _ => {
            let id = uri.strip_prefix("test://template/")?.strip_suffix("/data")?;
            let data = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
            text("application/json", &data.to_string())
        }
    };
    Some(json!({ "contents": [content] }))
}
