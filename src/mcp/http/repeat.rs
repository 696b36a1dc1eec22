//! Which requests may be sent again when the process that had them is gone.

use serde::Deserialize;

use crate::mcp::jsonrpc::{Kind, Message};

/// When a request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// As long as nothing of it has been sent.
    Unsent,
    /// At any time before its answer: it changes nothing.
    Always,
}

/// What only asks, by method. A call of a tool may do anything, see [`is_repeatable`].
const ASKING: [&str; 10] = [
    "initialize",
    "ping",
    "server/discover",
    "tools/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "prompts/list",
    "prompts/get",
    "completion/complete",
];

impl Repeat {
    /// By what the message says itself.
    pub(super) fn of(message: &Message) -> Self {
        let asks = message.kind() == Kind::Request && ASKING.contains(&message.method());
        if asks { Self::Always } else { Self::Unsent }
    }

    /// By the verb, of what is no message (RFC 9110 section 9.2.1).
    pub(super) fn of_verb(verb: &str) -> Self {
        if matches!(verb, "GET" | "HEAD" | "OPTIONS") { Self::Always } else { Self::Unsent }
    }
}

/// Whether the tool `name` of a page of `tools/list` may be called twice: its server says that it only reads, or
/// that a second call changes nothing. `None` when it is not on this page.
pub(super) fn is_repeatable(page: &str, name: &str) -> Option<bool> {
    #[derive(Deserialize)]
    struct Page {
        tools: Vec<Tool>,
    }
    #[derive(Deserialize)]
    struct Tool {
        name: String,
        #[serde(default)]
        annotations: Annotations,
    }
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Annotations {
        read_only_hint: bool,
        idempotent_hint: bool,
    }
    let page: Page = serde_json::from_str(page).ok()?;
    let tool = page.tools.into_iter().find(|tool| tool.name == name)?;
    Some(tool.annotations.read_only_hint || tool.annotations.idempotent_hint)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn only_what_asks_is_repeated() {
        let cases = [
            (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, Repeat::Always),
            (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}"#, Repeat::Unsent),
            (r#"{"jsonrpc":"2.0","id":1,"method":"resources/subscribe"}"#, Repeat::Unsent),
            (r#"{"jsonrpc":"2.0","method":"ping"}"#, Repeat::Unsent),
        ];
        for (text, expected) in cases {
            let message = Message::parse(Bytes::from_static(text.as_bytes())).unwrap();
            assert_eq!(Repeat::of(&message), expected, "{text}");
        }
        assert_eq!((Repeat::of_verb("GET"), Repeat::of_verb("POST")), (Repeat::Always, Repeat::Unsent));
    }

    #[test]
    fn a_tool_is_repeated_when_its_server_says_so() {
        let page = r#"{"tools":[{"name":"a","annotations":{"readOnlyHint":true}},{"name":"b"},
            {"name":"c","annotations":{"idempotentHint":true,"title":"C"}},{"name":"d","annotations":{"readOnlyHint":false}}]}"#;
        let cases = [("a", Some(true)), ("b", Some(false)), ("c", Some(true)), ("d", Some(false)), ("e", None)];
        for (name, expected) in cases {
            assert_eq!(is_repeatable(page, name), expected, "{name}");
        }
        assert_eq!(is_repeatable("[]", "a"), None);
    }
}
