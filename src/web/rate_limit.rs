//! The `RateLimit` and `RateLimit-Policy` fields (draft-ietf-httpapi-ratelimit-headers-10): which limits there
//! are, and what is left of them.

use actix_web::{
    HttpMessage, HttpRequest,
    http::header::{HeaderMap, HeaderName, HeaderValue},
};

use crate::auth::limits::{Limited, Room, whole_seconds};

/// Which limits there are: their quota `q` in a window of `w` seconds (section 3).
pub(super) const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// What is left: `r` until `t` seconds from now (section 4).
pub(super) const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// What is left of the limits of whoever asks, from their recognition to the answer.
struct Left([Option<Room>; 2]);

/// Remembers what is left, for [`add`].
pub(super) fn remember(request: &HttpRequest, rooms: [Option<Room>; 2]) {
    request.extensions_mut().insert(Left(rooms));
}

/// The values of both fields for somebody who has met a limit.
pub(super) fn of_refusal(limited: &Limited) -> [String; 2] {
    let Limited { policy, quota, wait } = limited;
    let name = policy.name();
    [
        format!("\"{name}\";q={quota};w={}", policy.window_seconds()),
        format!("\"{name}\";r=0;t={}", whole_seconds(*wait)),
    ]
}

/// Says in an answer to `request` what is left, unless it has said so.
pub(super) fn add(request: &HttpRequest, headers: &mut HeaderMap) {
    let extensions = request.extensions();
    let Some(Left(rooms)) = extensions.get::<Left>() else { return };
    if headers.contains_key(STATE) {
        return;
    }
    let list = |show: &dyn Fn(&Room) -> String| rooms.iter().flatten().map(show).collect::<Vec<_>>().join(", ");
    let policy =
        list(&|room| format!("\"{}\";q={};w={}", room.policy.name(), room.quota, room.policy.window_seconds()));
    // All of it is back when the window is over, at the latest.
    let left =
        list(&|room| format!("\"{}\";r={};t={}", room.policy.name(), room.remaining, room.policy.window_seconds()));
    for (name, value) in [(POLICY, policy), (STATE, left)] {
        if let Ok(value) = HeaderValue::from_str(&value)
            && !value.is_empty()
        {
            headers.insert(name, value);
        }
    }
}
