//! Input: a line with a progress token (empty: none), a line with the members to be added, then a
//! message. What the edits make of it is what serde would make of it.

use berth::mcp::{
    jsonrpc::{Message, splice},
    meta::{Edit, borrowed, with_protocol_keys, without_protocol_keys},
};
use bytes::Bytes;
use serde_json::{Map, Value};

const PROTOCOL_KEYS: [&str; 4] = ["protocolVersion", "clientCapabilities", "clientInfo", "logLevel"];

/// Panics when a property does not hold.
pub(super) fn check(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let (token, keys, body) = (part(), part(), part());
    let (Ok(token), Ok(keys)) = (std::str::from_utf8(token), std::str::from_utf8(keys)) else { return };
    let Ok(message) = Message::parse(Bytes::copy_from_slice(body)) else { return };
    // Raw JSON is what the caller owes.
    let token = Some(token).filter(|token| serde_json::from_str::<Value>(token).is_ok());
    if let Ok(edits) = without_protocol_keys(&message, token) {
        judge(&message, &edits, &Map::new(), token);
    }
    let added = serde_json::from_str::<Map<String, Value>>(&format!("{{{keys}}}"));
    let edits = with_protocol_keys(&message, keys, token);
    assert!(added.is_ok() || edits.is_err() || too_much_for_serde(keys));
    if let (Ok(edits), Ok(added)) = (edits, added)
        && !(token.is_some() && added.contains_key("progressToken"))
    {
        judge(&message, &edits, &added, token);
    }
}

/// What only a reader of all values refuses: nesting, lone surrogates, numbers beyond a double.
fn too_much_for_serde(keys: &str) -> bool {
    serde_json::from_str::<&serde_json::value::RawValue>(&format!("{{{keys}}}")).is_ok()
}

fn judge(message: &Message, edits: &[Edit], added: &Map<String, Value>, token: Option<&str>) {
    let edited = splice(message.body(), &borrowed(edits));
    let sent = Message::parse(Bytes::from(edited)).expect("still a message");
    assert_eq!((sent.kind(), sent.method(), sent.id()), (message.kind(), message.method(), message.id()));
    let before = serde_json::from_slice::<Value>(message.body());
    let after = serde_json::from_slice::<Value>(sent.body());
    let (Ok(mut expected), Ok(after)) = (before, after) else { return };
    let token = token.map(|token| serde_json::from_str(token).expect("checked above"));
    expect(&mut expected, added, token);
    assert_eq!(after, expected);
}

fn expect(message: &mut Value, added: &Map<String, Value>, token: Option<Value>) {
    if message.pointer("/params/_meta").is_none() && added.is_empty() && token.is_none() {
        return;
    }
    let params = message.as_object_mut().expect("a message").entry("params").or_insert_with(|| Map::new().into());
    let meta = params.as_object_mut().expect("else refused").entry("_meta").or_insert_with(|| Map::new().into());
    let meta = meta.as_object_mut().expect("else refused");
    for key in PROTOCOL_KEYS {
        meta.remove(&format!("io.modelcontextprotocol/{key}"));
    }
    meta.extend(added.clone());
    if let Some(token) = token {
        meta.insert("progressToken".to_owned(), token);
    }
}
