//! Input: one message. Whatever is a message has its parts where it says, and stays one when edited.

use berth::mcp::jsonrpc::{Kind, Message};
use bytes::Bytes;
use serde_json::Value;

/// Panics when a property does not hold.
pub(super) fn check(data: &[u8]) {
    let Ok(message) = Message::parse(Bytes::copy_from_slice(data)) else { return };
    assert!(std::str::from_utf8(data).is_ok(), "a message is UTF-8");
    parts_lie_in_the_body(&message);
    parts_are_those_of_a_strict_reader(&message);
    another_id_changes_nothing_else(&message);
    a_line_is_one_line(&message);
}

fn parts_lie_in_the_body(message: &Message) {
    let body = message.body();
    if let Some(range) = message.id_span() {
        assert_eq!(body.get(range), Some(message.id().as_bytes()));
    }
    for part in [message.params(), message.result()].into_iter().flatten() {
        assert!(body.as_ptr_range().contains(&part.as_ptr()) && part.len() <= body.len());
        assert!(serde_json::from_str::<&serde_json::value::RawValue>(part).is_ok());
    }
    if let Ok(Some(range)) = message.progress_token() {
        let token = body.get(range).expect("the token lies in the body");
        assert!(serde_json::from_slice::<&serde_json::value::RawValue>(token).is_ok());
    }
    for name in ["name", "uri", "_meta", "requestId"] {
        let raw = message.raw_param(name);
        assert_eq!(raw.is_some(), message.param(name).is_some());
        if let Some((range, text)) = raw {
            assert_eq!(body.get(range), Some(text.as_bytes()));
        }
    }
}

/// Where serde reads the whole of it (no lone surrogates, no endless nesting), it reads the same.
fn parts_are_those_of_a_strict_reader(message: &Message) {
    let Ok(model) = serde_json::from_slice::<Value>(message.body()) else { return };
    assert_eq!(model.get("method").and_then(Value::as_str).unwrap_or_default(), message.method());
    let part = |raw: Option<&str>| raw.map(|raw| serde_json::from_str::<Value>(raw).expect("a part is JSON"));
    assert_eq!(model.get("params").cloned(), part(message.params()));
    assert_eq!(model.get("result").cloned(), part(message.result()));
    assert_eq!(model.get("id").cloned(), part(message.id_span().map(|_| message.id())));
    // Without an object there is no key, and nothing to find or to miss.
    let Some(meta) = model.pointer("/params/_meta").filter(|meta| meta.is_object()) else { return };
    if let Ok(token) = message.progress_token() {
        let token = token.and_then(|range| serde_json::from_slice(message.body().get(range)?).ok());
        assert_eq!(meta.get("progressToken").filter(|token| !token.is_null()).cloned(), token);
    }
}

fn another_id_changes_nothing_else(message: &Message) {
    let other = Message::parse(message.with_id("\"n\\u0065w\"").body().clone()).expect("still a message");
    assert_eq!(other.id(), if message.kind() == Kind::Notification { "null" } else { "\"n\\u0065w\"" });
    assert_eq!((other.kind(), other.method()), (message.kind(), message.method()));
    assert_eq!((other.params(), other.result()), (message.params(), message.result()));
    assert_eq!(other.with_id(message.id()).body(), message.body());
}

fn a_line_is_one_line(message: &Message) {
    let mut edits: Vec<(std::ops::Range<usize>, &[u8])> = Vec::new();
    edits.extend(message.id_span().map(|range| (range, b"42".as_slice())));
    let line = message.to_line(&mut edits);
    let ends: Vec<usize> =
        line.iter().enumerate().filter(|(_, byte)| matches!(byte, b'\n' | b'\r')).map(|(at, _)| at).collect();
    assert_eq!(ends, [line.len() - 1]);
    let sent = Message::parse(line).expect("still a message");
    assert_eq!((sent.kind(), sent.method()), (message.kind(), message.method()));
    assert_eq!(sent.minted_id(), message.id_span().map(|_| 42));
}
