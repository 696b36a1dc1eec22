//! What a client says that it can do for a server, and what of that a server's request needs.
//!
//! Source: `ClientCapabilities` and `LoggingLevel` of the schema, which are the same in all
//! versions; elicitation ("Capabilities": an empty object means form mode only). A server must not
//! ask for what was not declared (index 2026-07-28, "Per-request protocol fields").

use super::members::{is_object, members, only, string};

/// Severity of a log message, least first (RFC 5424, as logging names them).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// Detailed information for debugging.
    Debug,
    /// General information.
    Info,
    /// Normal but significant events.
    Notice,
    /// Warning conditions.
    Warning,
    /// Error conditions.
    Error,
    /// Critical conditions.
    Critical,
    /// Action must be taken at once.
    Alert,
    /// The system is unusable.
    Emergency,
}

impl LogLevel {
    const ALL: [Self; 8] = [
        Self::Debug,
        Self::Info,
        Self::Notice,
        Self::Warning,
        Self::Error,
        Self::Critical,
        Self::Alert,
        Self::Emergency,
    ];

    /// The level of that name.
    #[must_use]
    pub fn read(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == name)
    }

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }
}

/// What a client has declared, as far as a server's requests depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCapabilities {
    /// It answers `sampling/createMessage`.
    pub sampling: bool,
    /// It answers `elicitation/create` with a form.
    pub elicitation_form: bool,
    /// It answers `elicitation/create` with a URL.
    pub elicitation_url: bool,
    /// It answers `roots/list`.
    pub roots: bool,
}

impl ClientCapabilities {
    /// Reads a `ClientCapabilities` object. A capability counts as declared where its value is an
    /// object, as the schema has it.
    ///
    /// `None` when it is no object, or has one of the capabilities twice: the server could read the
    /// other one.
    #[must_use]
    pub fn read(raw_json: &str) -> Option<Self> {
        let all = members(raw_json)?;
        let declared = |name| only(&all, name).ok().map(|member| member.map(|m| m.value).filter(|v| is_object(v)));
        let (elicitation_form, elicitation_url) = declared("elicitation")?.map_or(Some((false, false)), elicitation)?;
        Some(Self {
            sampling: declared("sampling")?.is_some(),
            elicitation_form,
            elicitation_url,
            roots: declared("roots")?.is_some(),
        })
    }

    /// Everything.
    #[must_use]
    pub const fn all() -> Self {
        Self { sampling: true, elicitation_form: true, elicitation_url: true, roots: true }
    }

    /// Whether the client can be asked for `method`; never for what is no request to clients.
    #[must_use]
    pub fn allows(self, method: &str, params: Option<&str>) -> bool {
        match Ask::of(method, params) {
            Ask::Sampling => self.sampling,
            Ask::Form => self.elicitation_form,
            Ask::Url => self.elicitation_url,
            Ask::Roots => self.roots,
            Ask::Unknown => false,
        }
    }

    /// The capabilities that `method` needs, as `data.requiredCapabilities` of a
    /// `MissingRequiredClientCapabilityError` has them.
    #[must_use]
    pub fn required_for(method: &str, params: Option<&str>) -> &'static str {
        match Ask::of(method, params) {
            Ask::Sampling => r#"{"sampling":{}}"#,
            Ask::Form => r#"{"elicitation":{}}"#,
            Ask::Url => r#"{"elicitation":{"url":{}}}"#,
            Ask::Roots => r#"{"roots":{}}"#,
            Ask::Unknown => "{}",
        }
    }
}

/// What a server can ask of a client.
enum Ask {
    Sampling,
    Form,
    Url,
    Roots,
    /// Nothing that the protocol knows.
    Unknown,
}

impl Ask {
    fn of(method: &str, params: Option<&str>) -> Self {
        match method {
            "sampling/createMessage" => Self::Sampling,
            "elicitation/create" => Self::elicitation(params),
            "roots/list" => Self::Roots,
            _ => Self::Unknown,
        }
    }

    /// `mode` came with 2025-11-25; without it a form is meant (elicitation, "Elicitation Requests").
    fn elicitation(params: Option<&str>) -> Self {
        let all = params.and_then(members).unwrap_or_default();
        let Ok(mode) = only(&all, "mode") else { return Self::Unknown };
        match mode.map(|mode| string(mode.value)) {
            None => Self::Form,
            Some(Some(mode)) if mode == "form" => Self::Form,
            Some(Some(mode)) if mode == "url" => Self::Url,
            Some(_) => Self::Unknown,
        }
    }
}

/// Form and URL mode of the `elicitation` object.
fn elicitation(raw: &str) -> Option<(bool, bool)> {
    let modes = members(raw)?;
    let has = |name| only(&modes, name).ok().map(|mode| mode.is_some_and(|mode| is_object(mode.value)));
    let (form, url) = (has("form")?, has("url")?);
    Some((form || !url, url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_ordered_and_named() {
        assert!(LogLevel::ALL.is_sorted());
        for level in LogLevel::ALL {
            assert_eq!(LogLevel::read(level.as_str()), Some(level));
        }
        for name in ["", "Debug", "warn", "trace", "fatal"] {
            assert_eq!(LogLevel::read(name), None, "{name}");
        }
        assert!(LogLevel::Debug < LogLevel::Warning && LogLevel::Alert < LogLevel::Emergency);
    }

    #[test]
    fn reads_what_is_declared() {
        let none = ClientCapabilities::default();
        let form = ClientCapabilities { elicitation_form: true, ..none };
        let url = ClientCapabilities { elicitation_url: true, ..none };
        let cases = [
            ("{}", Some(none)),
            (r#"{"sampling":{}}"#, Some(ClientCapabilities { sampling: true, ..none })),
            (r#"{"roots":{"listChanged":true}}"#, Some(ClientCapabilities { roots: true, ..none })),
            (r#"{"elicitation":{}}"#, Some(form)),
            (r#"{"elicitation":{"form":{}}}"#, Some(form)),
            (r#"{"elicitation":{"form":null}}"#, Some(form)),
            (r#"{"elicitation":{"url":{}}}"#, Some(url)),
            (r#"{"elicitation":{"url":{},"form":{}}}"#, Some(ClientCapabilities { elicitation_form: true, ..url })),
            (r#"{"\u0065licitation":{"u\u0072l":{}}}"#, Some(url)),
            (r#"{"sampling":null,"roots":false,"elicitation":[]}"#, Some(none)),
            (r#"{"extensions":{"sampling":{}},"experimental":{}}"#, Some(none)),
            (r#"{"sampling":{},"roots":{},"elicitation":{"form":{},"url":{}},"x":1}"#, Some(ClientCapabilities::all())),
            (r#"{"sampling":{},"sampling":null}"#, None),
            (r#"{"elicitation":{"url":{},"url":null}}"#, None),
            ("[]", None),
            ("null", None),
            (r#""sampling""#, None),
            ("", None),
        ];
        for (raw, expected) in cases {
            assert_eq!(ClientCapabilities::read(raw), expected, "{raw}");
        }
    }

    #[test]
    fn each_request_needs_its_capability() {
        let none = ClientCapabilities::default();
        let sampling = ClientCapabilities { sampling: true, ..none };
        let form = ClientCapabilities { elicitation_form: true, ..none };
        let url = ClientCapabilities { elicitation_url: true, ..none };
        let roots = ClientCapabilities { roots: true, ..none };
        let cases = [
            ("sampling/createMessage", Some("{}"), sampling, r#"{"sampling":{}}"#),
            ("elicitation/create", None, form, r#"{"elicitation":{}}"#),
            ("elicitation/create", Some(r#"{"message":"m"}"#), form, r#"{"elicitation":{}}"#),
            ("elicitation/create", Some(r#"{"mode":"form"}"#), form, r#"{"elicitation":{}}"#),
            ("elicitation/create", Some(r#"{"mode":"\u0075rl"}"#), url, r#"{"elicitation":{"url":{}}}"#),
            ("roots/list", None, roots, r#"{"roots":{}}"#),
        ];
        for (method, params, needed, required) in cases {
            for one in [sampling, form, url, roots] {
                assert_eq!(one.allows(method, params), one == needed, "{method} {params:?} {one:?}");
            }
            assert!(!none.allows(method, params) && ClientCapabilities::all().allows(method, params));
            assert_eq!(ClientCapabilities::required_for(method, params), required);
            assert!(ClientCapabilities::read(required).unwrap().allows(method, params));
        }
    }

    #[test]
    fn what_clients_are_never_asked_is_not_allowed() {
        let cases = [
            ("tools/call", None),
            ("", None),
            ("elicitation/create", Some(r#"{"mode":"telepathy"}"#)),
            ("elicitation/create", Some(r#"{"mode":1}"#)),
            ("elicitation/create", Some(r#"{"mode":"form","mode":"url"}"#)),
        ];
        for (method, params) in cases {
            assert!(!ClientCapabilities::all().allows(method, params), "{method} {params:?}");
            assert_eq!(ClientCapabilities::required_for(method, params), "{}");
        }
    }
}
