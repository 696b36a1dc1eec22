//! placeholder
#![allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}
impl LogLevel {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Debug, "debug"),
        (Self::Info, "info"),
        (Self::Notice, "notice"),
        (Self::Warning, "warning"),
        (Self::Error, "error"),
        (Self::Critical, "critical"),
        (Self::Alert, "alert"),
        (Self::Emergency, "emergency"),
    ];
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, t)| *t == text).map(|(l, _)| *l)
    }
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(l, _)| *l == self).map_or("info", |(_, t)| t)
    }
}
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientCapabilities {
    sampling: bool,
    elicitation: bool,
    roots: bool,
}
impl ClientCapabilities {
    pub fn read(raw: &str) -> Option<Self> {
        let v: serde_json::Value = serde_json::from_str(raw).ok()?;
        let o = v.as_object()?;
        Some(Self {
            sampling: o.contains_key("sampling"),
            elicitation: o.contains_key("elicitation"),
            roots: o.contains_key("roots"),
        })
    }
    pub const fn all() -> Self {
        Self { sampling: true, elicitation: true, roots: true }
    }
    pub fn allows(self, method: &str, _params: Option<&str>) -> bool {
        match method {
            "sampling/createMessage" => self.sampling,
            "elicitation/create" => self.elicitation,
            "roots/list" => self.roots,
            _ => false,
        }
    }
}
