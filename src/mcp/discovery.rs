//! What we say to a child of the stateless era on our own account, and what we look for in its words.

use std::ops::Range;

use super::{
    capabilities::LogLevel,
    jsonrpc::Message,
    members::{members, only},
    meta, version,
};

/// The key under which what a listen stream carries names its subscription.
pub(super) const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

/// The parameters of our own `server/discover`.
pub(super) fn discover_params() -> String {
    format!(r#"{{"_meta":{{{}}}}}"#, our_keys())
}

/// What our own requests carry in `_meta`.
pub(super) fn our_keys() -> String {
    format!(
        r#""{}":"{}","{}":{{}},"{}":{{"name":"berth","version":"{}"}}"#,
        meta::PROTOCOL_VERSION,
        version::STATELESS,
        meta::CLIENT_CAPABILITIES,
        meta::CLIENT_INFO,
        env!("CARGO_PKG_VERSION")
    )
}

/// Whether an answer to `server/discover` is one of a child that speaks a version of ours.
pub(super) fn speaks_it(answer: &Message) -> bool {
    #[derive(serde::Deserialize)]
    struct Discovered {
        #[serde(rename = "supportedVersions")]
        versions: Vec<String>,
    }
    let discovered = answer.result().and_then(|result| serde_json::from_str::<Discovered>(result).ok());
    discovered.is_some_and(|it| it.versions.iter().any(|version| version == version::STATELESS))
}

/// Where the subscription id lies in a notification (or an answer) of a listen stream, and its text.
pub(super) fn subscription_id(message: &Message) -> Option<(Range<usize>, &str)> {
    let holder = message.params().or_else(|| message.result())?;
    let fields = members(holder)?;
    let meta = members(only(&fields, meta::META).ok()??.value)?;
    let id = only(&meta, SUBSCRIPTION_ID).ok()??.value;
    Some((message.span_of(id), id))
}

/// The closing answer of a listen stream whose request has this id, raw (patterns/subscriptions,
/// "Graceful Closure").
pub(super) fn closure(id: &str) -> Message {
    Message::success(id, &format!(r#"{{"resultType":"complete","_meta":{{"{SUBSCRIPTION_ID}":{id}}}}}"#))
}

/// How important a log notification is; `info` when it does not say.
pub(super) fn level_of(note: &Message) -> LogLevel {
    note.param("level").and_then(|level| LogLevel::read(&level)).unwrap_or(LogLevel::Info)
}
