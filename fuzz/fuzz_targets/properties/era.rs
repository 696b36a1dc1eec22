//! Input: a line with the value of `MCP-Protocol-Version` (empty: no header), then a message.

use berth::mcp::{
    era::{Era, classify},
    jsonrpc::Message,
    meta::{CLIENT_CAPABILITIES, PROTOCOL_VERSION, RequestMeta},
    version,
};
use bytes::Bytes;
use serde_json::Value;

/// Panics when a property does not hold.
pub(super) fn check(data: &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let header = std::str::from_utf8(&data[..at]).ok().filter(|header| !header.is_empty());
    let named = header.is_some_and(version::is_stateless);
    assert_eq!(classify(header, None) == Era::Stateless, named);
    let Ok(message) = Message::parse(Bytes::copy_from_slice(data.get(at + 1..).unwrap_or_default())) else { return };
    let body = classify(None, Some(&message));
    assert_eq!(classify(header, Some(&message)) == Era::Stateless, named || body == Era::Stateless);
    if let Ok(model) = serde_json::from_slice::<Value>(message.body()) {
        agrees_with(&model, &message, body);
    }
    if let Ok(meta) = RequestMeta::read(&message) {
        assert_eq!(body, Era::Stateless, "whoever has the metadata is of that era");
        assert!(message.body().get(meta.raw_capabilities).is_some());
    }
}

/// What serde makes of the whole message.
fn agrees_with(model: &Value, message: &Message, era: Era) {
    let meta = model.pointer("/params/_meta");
    if meta.and_then(|meta| meta.get(PROTOCOL_VERSION)).is_some() {
        assert_eq!(era, Era::Stateless);
    }
    let Ok(read) = RequestMeta::read(message) else { return };
    let meta = meta.expect("it was read from there");
    assert_eq!(meta[PROTOCOL_VERSION], Value::from(read.version));
    let part = |range| serde_json::from_slice::<Value>(&message.body()[range]).expect("a part is JSON");
    assert_eq!(meta[CLIENT_CAPABILITIES], part(read.raw_capabilities));
    assert_eq!(meta[CLIENT_CAPABILITIES]["sampling"].is_object(), read.capabilities.sampling);
    assert_eq!(meta.get("progressToken").cloned(), read.progress_token.map(part));
    let level = meta.get("io.modelcontextprotocol/logLevel").and_then(Value::as_str);
    assert_eq!(level, read.log_level.map(|level| level.as_str()));
}
