//! `Accept` and `Content-Type` (RFC 9110 sections 8.3 and 12.5.1), the same for every front.

use super::Answer;
use crate::mcp::error::{Code, NO_ID, error_message};

/// Media type of one message.
pub(super) const JSON: &str = "application/json";
/// Media type of a stream of events.
pub(super) const STREAM: &str = "text/event-stream";

/// Refuses a request whose client does not take what may be answered. An absent header accepts
/// everything.
pub(super) fn check_accept(accept: Option<&str>, needed: &[&str]) -> Result<(), Answer> {
    let Some(accept) = accept else { return Ok(()) };
    let accepts = |wanted: &str| {
        let group = wanted.split('/').next().unwrap_or_default();
        ranges(accept).any(|range| {
            range == "*/*"
                || range.eq_ignore_ascii_case(wanted)
                || range.strip_suffix("/*").is_some_and(|prefix| prefix.eq_ignore_ascii_case(group))
        })
    };
    match needed.iter().find(|wanted| !accepts(wanted)) {
        None => Ok(()),
        Some(missing) => Err(refuse(406, &format!("Accept must include {missing}"))),
    }
}

/// Whether the client names events before JSON: where both would do, it gets events.
pub(super) fn prefers_events(accept: Option<&str>) -> bool {
    accept.is_some_and(|accept| ranges(accept).next().is_some_and(|range| range.eq_ignore_ascii_case(STREAM)))
}

/// Refuses a body that is not said to be JSON.
pub(super) fn check_json(content_type: Option<&str>) -> Result<(), Answer> {
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case(JSON) {
        Ok(())
    } else {
        Err(refuse(415, "Content-Type must be application/json"))
    }
}

fn ranges(accept: &str) -> impl Iterator<Item = &str> {
    accept.split(',').map(|range| range.split(';').next().unwrap_or_default().trim())
}

fn refuse(status: u16, text: &str) -> Answer {
    Answer::Json { status, body: error_message(NO_ID, Code::BadState, text), session: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_header() {
        let both: &[&str] = &["application/json", "text/event-stream"];
        let cases = [
            (None, true, false),
            (Some("*/*"), true, false),
            (Some("application/json, text/event-stream"), true, false),
            (Some("text/event-stream;q=0.5, Application/JSON"), true, true),
            (Some("application/*, text/*"), true, false),
            (Some("application/json"), false, false),
            (Some("text/html"), false, false),
            (Some(""), false, false),
        ];
        for (accept, fits, events) in cases {
            assert_eq!((check_accept(accept, both).is_ok(), prefers_events(accept)), (fits, events), "{accept:?}");
        }
    }

    #[test]
    fn content_type() {
        let cases = [("application/json", true), ("Application/JSON; charset=utf-8", true), ("text/plain", false)];
        for (header, fits) in cases {
            assert_eq!(check_json(Some(header)).is_ok(), fits, "{header}");
        }
        assert!(check_json(None).is_err());
    }
}
