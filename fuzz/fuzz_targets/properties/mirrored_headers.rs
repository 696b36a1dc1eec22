//! Input, line by line: a message, a tool as `tools/list` has it, then headers (`name: value`).

use berth::mcp::{
    jsonrpc::Message,
    mirrored::{Mirrored, ToolHeaders, arguments, encode, name_header},
};
use bytes::Bytes;

const VERSION: &str = "2026-07-28";

/// Panics when a property does not hold.
pub(super) fn check(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (body, tool) = (line(), line());
    let headers: Vec<(&str, &[u8])> = lines.filter_map(header).collect();
    headers.iter().for_each(|(_, value)| any_text_survives(value));
    let tool = std::str::from_utf8(tool).ok().and_then(|tool| ToolHeaders::of_tool(tool).ok()).flatten();
    let Ok(message) = Message::parse(Bytes::copy_from_slice(body)) else { return };
    let mirrored = Mirrored::collect(headers);
    if mirrored.check(&message, VERSION).is_ok() {
        assert_eq!(mirrored.version.iter().map(|value| value.trim()).collect::<Vec<_>>(), [VERSION]);
        assert!(mirrored.method.iter().all(|value| value.trim_matches([' ', '\t']) == message.method()));
    }
    our_own_headers_match(&message);
    if let (Some((_, tool)), Ok(arguments)) = (tool, arguments(&message)) {
        what_is_mirrored_matches(&tool, &mirrored, arguments);
    }
}

fn header(line: &[u8]) -> Option<(&str, &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    Some((std::str::from_utf8(&line[..colon]).ok()?, &line[colon + 1..]))
}

/// The name of a tool reaches the other end, whatever is in it.
fn any_text_survives(value: &[u8]) {
    let Ok(text) = std::str::from_utf8(value) else { return };
    let name = serde_json::Value::from(text);
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{name}}}}}"#);
    let message = Message::parse(Bytes::from(body)).expect("a message");
    assert_eq!(name_header(&message), Some(encode(text).into_owned()));
    our_own_headers_match(&message);
}

fn our_own_headers_match(message: &Message) {
    let method = message.method();
    let name = name_header(message);
    if encode(method) != method || message.params().is_some_and(|params| params.starts_with('[')) {
        return; // no header can carry it
    }
    let mut headers = vec![("MCP-PROTOCOL-VERSION", VERSION), ("mcp-method", method)];
    headers.extend(name.as_deref().map(|name| ("Mcp-Name", name)));
    let mirrored = Mirrored::collect(headers.into_iter().map(|(name, value)| (name, value.as_bytes())));
    let outcome = mirrored.check(message, VERSION);
    // Without a name header the body has none, or has one that no header can carry.
    assert!(outcome.is_ok() || name.is_none(), "{outcome:?}");
}

fn what_is_mirrored_matches(tool: &ToolHeaders, theirs: &Mirrored, arguments: Option<&str>) {
    let outcome = tool.check_params(theirs, arguments);
    let Ok(ours) = tool.mirror(arguments) else {
        assert!(outcome.is_err(), "what no header can carry never passes");
        return;
    };
    assert!(ours.iter().all(|(_, value)| value.bytes().all(|byte| matches!(byte, b' '..=b'~'))));
    let ours = Mirrored::collect(ours.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
    assert_eq!(tool.check_params(&ours, arguments), Ok(()));
    if ours.params.is_empty() && outcome.is_ok() {
        assert_eq!(tool.check_params(&Mirrored::default(), arguments), Ok(()));
    }
}
